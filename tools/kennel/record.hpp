// SPDX-License-Identifier: Apache-2.0
//
// A line of the monitor's for programs, taken apart: a kind, then words KEY=VALUE. Pure.
#pragma once
#include "hv/lib/types.hpp"
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kennel::tool {

struct Record {
    std::string kind;
    std::vector<std::pair<std::string, std::string>> words;

    static Record parse(std::string_view line);
    std::string text(std::string_view key) const;     // empty: it has none
    u64         number(std::string_view key) const;   // 0: none, or no number
    std::string identity() const;                     // kind, guest and device: what makes two records comparable
};

} // namespace kennel::tool
