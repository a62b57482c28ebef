// SPDX-License-Identifier: Apache-2.0
//
// See command.hpp.
#include "drivers/monitor/command.hpp"

namespace kennel::service {

namespace {

std::string_view next_word(std::string_view& line)
{
    usize begin = 0;
    while (begin < line.size() && (line[begin] == ' ' || line[begin] == '\t'))
        begin++;
    usize end = begin;
    while (end < line.size() && line[end] != ' ' && line[end] != '\t')
        end++;
    std::string_view const word{line.data() + begin, end - begin};
    line.remove_prefix(end);
    return word;
}

} // namespace

std::optional<Command> parse_command(std::string_view line, Text& fault)
{
    std::string_view const name = next_word(line), guest = next_word(line), more = next_word(line);
    if (name.empty())
        return Command{};
    for (VerbEntry const& entry : verbs) {
        if (entry.name != name)
            continue;
        if (entry.names == Names::one_guest && guest.empty()) {
            fault = Text{name, ": a guest's name is missing: ", name, " GUEST"};
            return std::nullopt;
        }
        if (entry.names == Names::no_guest && !guest.empty()) {
            fault = Text{name, ": nothing may follow"};
            return std::nullopt;
        }
        if (!more.empty()) {
            fault = Text{name, ": one guest's name is wanted, nothing more"};
            return std::nullopt;
        }
        return Command{entry.verb, guest};
    }
    fault = Text{"there is no command '", name, "': help lists them"};
    return std::nullopt;
}

} // namespace kennel::service
