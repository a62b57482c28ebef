// SPDX-License-Identifier: Apache-2.0
//
// One line of the monitor's language, as a value. Pure.
#pragma once
#include "drivers/text.hpp"
#include <optional>

namespace kennel::service {

enum class Verb : u8 { nothing, help, list, counters, attach, detach, start, stop, restart, reset, log, poweroff };

struct Command {
    Verb             verb = Verb::nothing;
    std::string_view guest;                           // points into the line; empty: none was named
};

enum class Names : u8 { no_guest, one_guest, perhaps_one };
struct VerbEntry { std::string_view name; Verb verb; Names names; std::string_view help; };

// In the order of the help.
inline constexpr VerbEntry verbs[] = {
    {"help",     Verb::help,     Names::no_guest,    "this list"},
    {"list",     Verb::list,     Names::no_guest,    "the guests: state, CPU share, memory, exits and disk requests per second"},
    {"counters", Verb::counters, Names::perhaps_one, "everything that is counted, of one guest or all"},
    {"attach",   Verb::attach,   Names::one_guest,   "leave the monitor: what is typed goes to this guest"},
    {"detach",   Verb::detach,   Names::no_guest,    "no guest is attached: what is typed goes to the monitor"},
    {"start",    Verb::start,    Names::one_guest,   "start a guest that is stopped, held or ended"},
    {"stop",     Verb::stop,     Names::one_guest,   "stop a guest, at once; the machine stays on"},
    {"restart",  Verb::restart,  Names::one_guest,   "stop a guest if it runs, and start it"},
    {"reset",    Verb::reset,    Names::one_guest,   "start a running guest anew, as its reset button would"},
    {"log",      Verb::log,      Names::no_guest,    "the last lines of the service's log"},
    {"poweroff", Verb::poweroff, Names::no_guest,    "stop all guests, and switch the machine off"},
};

// What is wrong with the line, in `fault`; or the command.
std::optional<Command> parse_command(std::string_view line, Text& fault);

} // namespace kennel::service
