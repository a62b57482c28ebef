// SPDX-License-Identifier: Apache-2.0
//
// The result as a table for people and as JSON for programs.
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

void print_table(std::vector<Row> const& rows, Model const& model)
{
    std::println("Instructions (TSC ticks) per operation: minimum and median; VM exits; modelled cycles without and with speculation actions.");
    std::println("Model: instructions x {} + exits x {}, and x {} more with speculation actions.\n", model.cycles_per_instruction, model.exit,
                 model.speculation);
    std::string group;
    for (Row const& row : rows) {
        if (row.group != group) {
            if (row.group == "primitive") {
                print_row("", "Kennel", "", "", "", "", "KVM", "", "", "", "", "", "", "", "");
                print_row("operation", "min", "median", "exits", "cycles", "+spec.", "min", "median", "exits", "cycles", "+spec.", "ratio", "goal", "met", "floor");
            } else {
                std::println("");
                print_row(row.group, "min", "median", "exits", "cycles", "+spec.", "min", "median", "exits", "cycles", "+spec.", "ratio", "goal", "met", "floor");
            }
            group = row.group;
        }
        print_row(row.label, minimum(row.kennel), median(row.kennel), exits(row.kennel), cycles(row.kennel, model, false), cycles(row.kennel, model, true),
                  minimum(row.kvm), median(row.kvm), exits(row.kvm), cycles(row.kvm, model, false), cycles(row.kvm, model, true),
                  row.ratio() ? std::format("{:.1f}", *row.ratio()) : "-", row.goal ? grouped(*row.goal) : "-", row.goal && row.kennel ? (row.is_met() ? "yes" : "no") : "-", median(row.floor));
    }
}

std::string json(std::vector<Row> const& rows, Model const& model)
{
    nlohmann::json result;
    result["model"] = {{"cycles_per_instruction", model.cycles_per_instruction}, {"cycles_per_exit", model.exit}, {"cycles_of_speculation_actions", model.speculation}};
    result["rows"] = nlohmann::json::array();
    for (Row const& row : rows) {
        nlohmann::json one{{"group", row.group}, {"name", row.name}, {"label", row.label}, {"kennel", side(row.kennel, model)}, {"kvm", side(row.kvm, model)},
                           {"floor", side(row.floor, model)}};
        if (row.goal) {
            one["goal"] = *row.goal;
            one["met"] = row.is_met();
        }
        if (row.ratio())
            one["ratio"] = *row.ratio();
        result["rows"].push_back(std::move(one));
    }
    return result.dump(2) + "\n";
}

} // namespace kennel::bench
