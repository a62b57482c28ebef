// SPDX-License-Identifier: Apache-2.0
//
// See command_line.hpp.
#include "tools/kennel/command_line.hpp"
#include <algorithm>

namespace kennel::tool {

namespace {

std::string quoted(std::string const& word)
{
    if (!word.contains(' ') || word.contains('"'))
        return word;
    auto const equals = word.find('=');
    if (equals == word.npos || word.find(' ') < equals)
        return '"' + word + '"';
    return word.substr(0, equals + 1) + '"' + word.substr(equals + 1) + '"';
}

constexpr std::string_view console = "console=ttyS0";

bool printable(std::string_view text)
{
    return std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
}

} // namespace

Or<std::string> guest_command_line(std::span<std::string const> words)
{
    std::string line;
    if (!std::ranges::any_of(words, [](std::string const& word) { return word.starts_with("console="); }))
        line = console;
    for (std::string const& word : words) {
        if (!printable(word))
            return bad_usage("a kernel argument holds a character that is not printable ASCII");
        if (!line.empty() && !word.empty())
            line += ' ';
        line += quoted(word);
    }
    return line;
}

Or<std::string> guest_command_line(std::string_view line)
{
    if (!printable(line))
        return bad_usage("the command line holds a character that is not printable ASCII");
    if (line.starts_with("console=") || line.contains(" console="))
        return std::string{line};
    return line.empty() ? std::string{console} : std::format("{} {}", console, line);
}

} // namespace kennel::tool
