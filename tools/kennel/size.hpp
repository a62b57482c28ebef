// SPDX-License-Identifier: Apache-2.0
//
// Sizes as people write them: 128m, 1g, 4096k, or plain bytes.
#pragma once
#include "tools/kennel/fault.hpp"
#include <string_view>

namespace kennel::tool {

Or<u64>     parse_size(std::string_view text);   // bytes, more than 0
std::string size_text(u64 bytes);                // the largest unit that keeps it exact: 70m, 1g, 4097

constexpr u64 round_up(u64 value, u64 unit) { return (value + unit - 1) / unit * unit; }

} // namespace kennel::tool
