// SPDX-License-Identifier: Apache-2.0
//
// bench_report FACTS: the facts as a table; --json, --markdown and --svg write them to files; --baseline compares instead.
#include "tests/bench/report/output.hpp"
#include <CLI/CLI.hpp>
#include <fstream>
#include <print>

namespace {

void write(std::string const& path, std::string const& text)
{
    if (path.empty())
        return;
    std::ofstream stream{path};
    stream << text;
    if (!stream.flush())
        kennel::bench::give_up(path + ": cannot be written");
}

} // namespace

int main(int count, char** words)
{
    using namespace kennel::bench;
    std::string facts_file, json_file, svg_file, markdown_file, baseline, about;
    Model model;
    CLI::App app{"The figures of the bench as a table"};
    app.add_option("facts", facts_file, "What was measured")->required();
    app.add_option("--json", json_file, "Write the result as JSON");
    app.add_option("--markdown", markdown_file, "Write the table in Markdown");
    app.add_option("--about", about, "What to say above the table");
    app.add_option("--svg", svg_file, "Write a chart");
    app.add_option("--baseline", baseline, "Compare the primitives with this earlier result, and print nothing else");
    app.add_option("--cycles-per-instruction", model.cycles_per_instruction, "Of the model of cycles")->capture_default_str();
    app.add_option("--cycles-per-exit", model.exit, "Of the model of cycles")->capture_default_str();
    app.add_option("--cycles-of-speculation-actions", model.speculation, "Of the model of cycles")->capture_default_str();
    CLI11_PARSE(app, count, words);

    Facts const facts = Facts::read(facts_file);
    auto const rows = rows_of(facts);
    write(json_file, json(rows, model));
    write(markdown_file, markdown(rows, model, about));
    write(svg_file, chart(rows));
    if (!baseline.empty())
        return compare(rows, baseline) ? 0 : 1;
    print_table(rows, model, about);
    return 0;
}
