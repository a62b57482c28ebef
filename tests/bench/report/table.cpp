// SPDX-License-Identifier: Apache-2.0
//
// The result as a table for people, on a terminal or in Markdown, and as JSON for programs.
#include "tests/bench/report/output.hpp"
#include <cmath>
#include <format>
#include <nlohmann/json.hpp>
#include <print>

namespace kennel::bench {

namespace {

std::string grouped(std::uint64_t value)
{
    std::string text = std::to_string(value);
    for (auto at = static_cast<std::ptrdiff_t>(text.size()) - 3; at > 0; at -= 3)
        text.insert(static_cast<std::size_t>(at), ",");
    return text;
}

std::string exits(Fact const* fact) { return fact && fact->exits ? std::format("{:.1f}", *fact->exits) : "-"; }
std::string minimum(Fact const* fact) { return fact ? grouped(fact->minimum) : "-"; }
std::string median(Fact const* fact) { return fact ? grouped(fact->median) : "-"; }
std::string cycles(Fact const* fact, Model const& model, bool speculation)
{
    return fact && fact->exits ? grouped(static_cast<std::uint64_t>(std::llround(model.cycles(*fact, speculation)))) : "-";
}

std::string ratio(Row const& row) { return row.ratio() ? std::format("{:.1f}", *row.ratio()) : "-"; }
std::string goal(Row const& row)
{
    return row.goal ? grouped(*row.goal) : row.goal_of_exits ? std::format("{:.0f} exits", *row.goal_of_exits) : "-";
}
std::string met(Row const& row) { return row.is_met() ? (*row.is_met() ? "yes" : "no") : "-"; }

void print_row(auto const&... cells)
{
    std::string line;
    bool first = true;
    ((line += first ? std::format("{:<46}", cells) : std::format(" {:>9}", cells), first = false), ...);
    std::println("{}", line);
}

nlohmann::json side(Fact const* fact, Model const& model)
{
    if (!fact)
        return nullptr;
    nlohmann::json value{{"minimum", fact->minimum}, {"median", fact->median}};
    if (fact->exits) {
        value["exits"] = *fact->exits;
        value["modelled_cycles"] = model.cycles(*fact, false);
        value["modelled_cycles_with_speculation_actions"] = model.cycles(*fact, true);
    }
    return value;
}

} // namespace

void print_table(std::vector<Row> const& rows, Model const& model, std::string const& about)
{
    std::println("Instructions (TSC ticks) per operation: minimum and median; VM exits; modelled cycles without and with speculation actions.");
    std::println("Model: instructions x {} + exits x {}, and x {} more with speculation actions.", model.cycles_per_instruction, model.exit, model.speculation);
    std::println("{}\n", about);
    std::string group;
    for (Row const& row : rows) {
        if (row.group != group) {
            std::println("{}{:<46} {:<49} {:<49}", group.empty() ? "" : "\n", "", "Kennel", "KVM");
            print_row(row.group, "min", "median", "exits", "cycles", "+spec.", "min", "median", "exits", "cycles", "+spec.", "ratio", "goal", "met", "floor");
            group = row.group;
        }
        print_row(row.label, minimum(row.kennel), median(row.kennel), exits(row.kennel), cycles(row.kennel, model, false), cycles(row.kennel, model, true),
                  minimum(row.kvm), median(row.kvm), exits(row.kvm), cycles(row.kvm, model, false), cycles(row.kvm, model, true),
                  ratio(row), goal(row), met(row), median(row.floor));
    }
}

std::string markdown(std::vector<Row> const& rows, Model const& model, std::string const& about)
{
    std::string text = about + "\n", group;
    auto const both = [&](Fact const* fact) { return fact && fact->exits ? cycles(fact, model, false) + " / " + cycles(fact, model, true) : "-"; };
    for (Row const& row : rows) {
        if (row.group != group) {
            group = row.group;
            text += std::format("\n| {} | Kennel | exits | cycles | goal | met | KVM | exits | cycles | ratio | floor |\n"
                                "|---|---:|---:|---:|---:|---|---:|---:|---:|---:|---:|\n", group);
        }
        text += std::format("| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |\n", row.label, median(row.kennel), exits(row.kennel), both(row.kennel),
                            goal(row), met(row), median(row.kvm), exits(row.kvm), both(row.kvm), ratio(row), median(row.floor));
    }
    return text;
}

std::string json(std::vector<Row> const& rows, Model const& model)
{
    nlohmann::json result;
    result["model"] = {{"cycles_per_instruction", model.cycles_per_instruction}, {"cycles_per_exit", model.exit}, {"cycles_of_speculation_actions", model.speculation}};
    result["rows"] = nlohmann::json::array();
    for (Row const& row : rows) {
        nlohmann::json one{{"group", row.group}, {"name", row.name}, {"label", row.label}, {"kennel", side(row.kennel, model)}, {"kvm", side(row.kvm, model)},
                           {"floor", side(row.floor, model)}};
        if (row.goal)
            one["goal"] = *row.goal;
        if (row.goal_of_exits)
            one["goal_of_exits"] = *row.goal_of_exits;
        if (auto const met = row.is_met())
            one["met"] = *met;
        if (row.ratio())
            one["ratio"] = *row.ratio();
        result["rows"].push_back(std::move(one));
    }
    return result.dump(2) + "\n";
}

} // namespace kennel::bench
