// SPDX-License-Identifier: Apache-2.0
//
// From the words a user typed to the command line a guest's kernel gets.
#pragma once
#include "tools/kennel/fault.hpp"
#include <span>
#include <string>
#include <string_view>

namespace kennel::tool {

// Joins the words; one with a space is quoted as Linux expects it: name="a value". console=ttyS0 comes first unless a
// console= is among them (first, because what follows a `--` belongs to init).
Or<std::string> guest_command_line(std::span<std::string const> words);

// The same for a line that is one already.
Or<std::string> guest_command_line(std::string_view line);

} // namespace kennel::tool
