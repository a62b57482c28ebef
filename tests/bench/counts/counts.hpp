// SPDX-License-Identifier: Apache-2.0
//
// The file `counts` of an emulator that counts (tests/bench/counting/instrument.cc says what its lines are), and differences of it.
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace kennel::bench {

using u64 = std::uint64_t;

struct Exits { u64 count = 0, root_instructions = 0; };

struct Partition {
    u64                  instructions = 0;
    std::map<u64, Exits> exits;                      // by reason
};

// All since the machine's start, at one moment.
struct Snapshot {
    u64 mark = 0, ticks = 0, instructions = 0, root_instructions = 0;
    std::map<u64, Partition> partitions;             // by VPID

    u64 exits() const;
};

struct Stretch {                                     // between two moments
    u64 ticks = 0, instructions = 0, root_instructions = 0, exits = 0;
    std::map<u64, Partition> partitions;
};
Stretch operator-(Snapshot const& later, Snapshot const& earlier);

struct Start { u64 partition = 0, ticks = 0, instructions = 0, exits = 0; };   // of a 64-bit kernel in a partition

class Counts {
public:
    // Ends the program with one line when the file cannot be read, or a line of it.
    static Counts read(std::filesystem::path const& path);

    // The last snapshot with that mark; ends the program when there is none.
    Snapshot const& at(u64 mark) const;
    // The last start before that mark.
    Start const& start_before(u64 mark) const;

private:
    struct Place { Start start; std::size_t before; };   // index of the next snapshot
    std::filesystem::path path_;
    std::vector<Snapshot> snapshots_;
    std::vector<Place>    starts_;
};

std::string name_of_reason(u64 reason);
[[noreturn]] void give_up(std::string const& why);

} // namespace kennel::bench
