// SPDX-License-Identifier: Apache-2.0
//
// The file `counts` of an emulator that counts (tests/bench/counting/instrument.cc says what its lines are), and differences of it.
#pragma once
#include "tests/bench/counting/marks.hpp"
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
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
    u64 started() const { return mark - KENNEL_MARK_START; }   // of one that `start_before` gave: the VPID
};

struct Stretch {                                     // between two moments
    u64 ticks = 0, instructions = 0, root_instructions = 0, exits = 0;
    std::map<u64, Partition> partitions;
};
Stretch operator-(Snapshot const& later, Snapshot const& earlier);

class Counts {
public:
    // Ends the program with one line when the file cannot be read, or a line of it.
    static Counts read(std::filesystem::path const& path);

    // The last snapshot with that mark; ends the program when there is none.
    Snapshot const& at(u64 mark) const;
    // When the last partition before that mark started, a 64-bit kernel in it.
    Snapshot const& start_before(u64 mark) const;

private:
    std::filesystem::path path_;
    std::vector<Snapshot> snapshots_;
};

// As a table. `from` none: since the start before mark `to`.
void print_profile(std::filesystem::path const& path, std::optional<u64> from, u64 to, u64 count);

inline double per(u64 value, u64 count) { return count ? static_cast<double>(value) / static_cast<double>(count) : 0; }
std::string name_of_reason(u64 reason);
[[noreturn]] void give_up(std::string const& why);

} // namespace kennel::bench
