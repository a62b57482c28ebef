// SPDX-License-Identifier: Apache-2.0
//
// See counts.hpp.
#include "tests/bench/counts/counts.hpp"
#include <cstdlib>
#include <format>
#include <fstream>
#include <print>
#include <sstream>

namespace kennel::bench {

void give_up(std::string const& why)
{
    std::println(stderr, "bench_counts: {}", why);
    std::exit(1);
}

u64 Snapshot::exits() const
{
    u64 all = 0;
    for (auto const& [vpid, partition] : partitions)
        for (auto const& [reason, exits] : partition.exits)
            all += exits.count;
    return all;
}

Stretch operator-(Snapshot const& later, Snapshot const& earlier)
{
    Stretch stretch{.ticks = later.ticks - earlier.ticks, .instructions = later.instructions - earlier.instructions,
                    .root_instructions = later.root_instructions - earlier.root_instructions, .exits = later.exits() - earlier.exits(), .partitions = later.partitions};
    for (auto const& [vpid, before] : earlier.partitions) {
        Partition& partition = stretch.partitions[vpid];
        partition.instructions -= before.instructions;
        for (auto const& [reason, exits] : before.exits) {
            partition.exits[reason].count -= exits.count;
            partition.exits[reason].root_instructions -= exits.root_instructions;
        }
    }
    return stretch;
}

Counts Counts::read(std::filesystem::path const& path)
{
    std::ifstream stream{path};
    if (!stream)
        give_up(std::format("{}: cannot be read", path.string()));
    Counts counts;
    counts.path_ = path;
    u64 number = 0;
    for (std::string line; std::getline(stream, line);) {
        number++;
        std::istringstream words{line};
        std::string kind;
        u64 a = 0, b = 0, c = 0, d = 0;
        words >> kind >> a >> b;
        bool good = !words.fail();
        if (kind == "mark" && words >> c >> d)
            counts.snapshots_.push_back({.mark = a, .ticks = b, .instructions = c, .root_instructions = d, .partitions = {}});
        else if (kind == "context" && good && !counts.snapshots_.empty())
            counts.snapshots_.back().partitions[a].instructions = b;
        else if (kind == "exit" && words >> c >> d && !counts.snapshots_.empty())
            counts.snapshots_.back().partitions[a].exits[b] = {c, d};
        else
            good = false;
        if (!good && !stream.eof())                  // the last line may have been cut short by the machine's end
            give_up(std::format("{}: line {} is not understood: {}", path.string(), number, line));
    }
    return counts;
}

Snapshot const& Counts::at(u64 mark) const
{
    for (std::size_t i = snapshots_.size(); i-- > 0;)
        if (snapshots_[i].mark == mark)
            return snapshots_[i];
    give_up(std::format("{}: mark {} was not reached", path_.string(), mark));
}

Snapshot const& Counts::start_before(u64 mark) const
{
    for (std::size_t i = static_cast<std::size_t>(&at(mark) - snapshots_.data()); i-- > 0;)
        if (snapshots_[i].mark >= KENNEL_MARK_START)
            return snapshots_[i];
    give_up(std::format("{}: no partition started before mark {}", path_.string(), mark));
}

} // namespace kennel::bench
