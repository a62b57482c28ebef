// SPDX-License-Identifier: Apache-2.0
//
// What a machine's monitor tells of its guests, for people and for programs.
#pragma once
#include <string>
#include <vector>

namespace kennel::tool {

// Lines of the monitor's, as JSON: `guest name=a exits=3` is {"kind": "guest", "name": "a", "exits": 3}.
std::string json_of(std::vector<std::string> const& lines);
// ... and as tables. `earlier`: the same lines some time before, for rates; empty: since each guest's start.
std::string list_table(std::vector<std::string> const& lines, std::vector<std::string> const& earlier);
std::string counters_table(std::vector<std::string> const& lines, std::vector<std::string> const& earlier);

} // namespace kennel::tool
