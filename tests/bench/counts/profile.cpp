// SPDX-License-Identifier: Apache-2.0
//
// Where exits and instructions went between two marks, as a Markdown table: what each partition executed itself, and what was executed
// outside all partitions after its exits, by reason.
#include "tests/bench/counts/counts.hpp"
#include <algorithm>
#include <format>
#include <print>

namespace kennel::bench {

namespace {

std::string grouped(double value)
{
    std::string text = std::format("{:.0f}", value);
    for (auto at = static_cast<std::ptrdiff_t>(text.size()) - 3; at > 0; at -= 3)
        text.insert(static_cast<std::size_t>(at), ",");
    return text;
}

std::string some(double value) { return value < 100 ? std::format("{:.2f}", value) : grouped(value); }

void print_row(std::string const& what, std::string const& exits, std::string const& instructions, std::string const& each)
{
    std::println("| {} | {} | {} | {} |", what, exits, instructions, each);
}

} // namespace

void print_profile(std::filesystem::path const& path, std::optional<u64> from, u64 to, u64 count)
{
    auto const counts = Counts::read(path);
    Snapshot const& start = counts.start_before(to);
    Stretch const stretch = counts.at(to) - (from ? counts.at(*from) : start);
    print_row("where", "exits", "instructions", "of each exit");
    print_row("---", "---:", "---:", "---:");
    for (auto const& [vpid, partition] : stretch.partitions) {
        std::string const name = vpid == start.started() ? "the guest" : "the service";
        if (partition.instructions)
            print_row(name + " itself", "", grouped(per(partition.instructions, count)), "");
        std::vector<std::pair<u64, Exits>> rows;
        for (auto const& [reason, exits] : partition.exits)
            if (exits.count || exits.root_instructions)
                rows.emplace_back(reason, exits);
        std::ranges::sort(rows, std::greater{}, [](auto const& row) { return row.second.root_instructions; });
        for (auto const& [reason, exits] : rows)
            if (per(exits.count, count) >= 0.005 || per(exits.root_instructions, count) >= 0.5)
                print_row(std::format("outside, after {} of {}", name_of_reason(reason), name), some(per(exits.count, count)),
                          grouped(per(exits.root_instructions, count)), grouped(per(exits.root_instructions, exits.count)));
    }
    print_row("all", some(per(stretch.exits, count)), grouped(per(stretch.instructions, count)), "");
}

} // namespace kennel::bench
