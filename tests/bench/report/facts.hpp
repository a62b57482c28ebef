// SPDX-License-Identifier: Apache-2.0
//
// What was measured, as tests/bench/run collects it: one fact a line, `GROUP NAME SIDE MINIMUM MEDIAN EXITS`, where EXITS may be "-".
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace kennel::bench {

struct Fact {
    std::string           group, name, side;
    std::uint64_t         minimum = 0, median = 0;
    std::optional<double> exits;
};

class Facts {
public:
    // Ends the program with one line when a file cannot be read, or a line of it.
    static Facts read(std::filesystem::path const& path);

    Fact const*              find(std::string const& group, std::string const& name, std::string const& side) const;
    std::vector<Fact> const& all() const { return facts_; }

private:
    std::vector<Fact> facts_;
};

[[noreturn]] void give_up(std::string const& why);

} // namespace kennel::bench
