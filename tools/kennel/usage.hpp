// SPDX-License-Identifier: Apache-2.0
//
// What is wrong with the words of a command line, in one line that says what is possible.
#pragma once
#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace kennel::tool {

// Before they are parsed: no such verb, or an option without the value it needs, --name=, for which CLI11 would take the next word.
// Empty: nothing.
std::string words_fault(CLI::App const& program, std::vector<std::string> const& words);

// Of what CLI11 refused.
std::string parse_fault(CLI::App const& program, CLI::ParseError const& error);

} // namespace kennel::tool
