// SPDX-License-Identifier: Apache-2.0
//
// See check.hpp.
#include "tools/kennel/check.hpp"
#include "tools/kennel/configuration.hpp"
#include "tools/kennel/schema.hpp"
#include "tools/kennel/size.hpp"
#include "tools/kennel/terminal.hpp"
#include <cstdio>
#include <memory>

namespace kennel::tool {

namespace {

struct Words {
    std::string file;
    bool json = false, keys = false;
};

void print(std::string_view text)
{
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fputc('\n', stdout);
}

// Every key there is, one a line: table, key, kind, default, meaning.
void print_keys()
{
    for (SchemaTable const& table : schema)
        for (Key const& key : table.keys)
            print(std::format("{:<15} {:<15} {:<26} {}{}", table.name, key.name, key.kind, key.fallback.empty() ? "" : std::format("[{}] ", key.fallback),
                              key.meaning));
}

std::string plural(usize count, std::string_view noun) { return std::format("{} {}{}", count, noun, count == 1 ? "" : "s"); }

ExitStatus check(Words const& words)
{
    if (words.keys) {
        print_keys();
        return ExitStatus::ok;
    }
    if (words.file.empty()) {
        say("FILE is missing: kennel check FILE.toml");
        return ExitStatus::bad_usage;
    }
    Problems problems{words.file};
    auto const configuration = read_configuration(words.file, problems);
    if (words.json)
        print(problems.json());
    else if (configuration)
        print(std::format("{}: ok: {}, {}; the machine needs {} and {} of memory", words.file, plural(configuration->plan.guests.size(), "guest"),
                          plural(configuration->plan.services.size(), "service"), plural(configuration->cpus, "CPU"),
                          size_text(round_up(least_machine_memory(configuration->plan), 1 << 20))));
    else
        for (auto const& line : problems.lines())
            say_line(line);
    return configuration ? ExitStatus::ok : ExitStatus::bad_usage;
}

} // namespace

void add_check(CLI::App& program, ExitStatus& status)
{
    auto const words = std::make_shared<Words>();
    auto* const verb = program.add_subcommand("check", "Say all that is wrong with a configuration, each with its place");
    verb->add_option("FILE", words->file, "The configuration, in TOML");
    verb->add_flag("--json", words->json, "The findings as JSON, on standard output");
    verb->add_flag("--keys", words->keys, "List all keys, with kind, default and meaning");
    verb->footer("Example:\n"
                 "  kennel check machine.toml && kennel run machine.toml\n\n"
                 "Exit status: 0 nothing is wrong, 2 something is.");
    verb->callback([words, &status] { status = check(*words); });
}

} // namespace kennel::tool
