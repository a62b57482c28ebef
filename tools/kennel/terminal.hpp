// SPDX-License-Identifier: Apache-2.0
//
// The user's terminal while a guest has it: raw, and restored after every way of ending that a process can see.
// Also the voice of this program: lines on standard error.
#pragma once
#include "tools/kennel/fault.hpp"
#include <format>
#include <optional>
#include <string>
#include <string_view>

namespace kennel::tool {

// One line on standard error, or several; correct also while the terminal is raw.
void say_line(std::string_view text);
template <typename... Parts> void say(std::format_string<Parts...> format, Parts&&... parts)
{
    say_line("kennel: " + std::format(format, std::forward<Parts>(parts)...));
}

// Whether what is written there may be coloured: a terminal, and the user has not said NO_COLOR.
bool use_colours(int descriptor);

// How a verb ended; a fault is said.
ExitStatus spoken(Or<ExitStatus> const& result);

// Standard input, when it is a terminal and ours (a background job's is not).
bool input_is_terminal();
void make_terminal_raw();      // also arranges that it is restored at exit
void restore_terminal();       // any number of times, also from a signal handler

inline constexpr char escape_key = 0x1d;   // Ctrl-]

// The size of that terminal, as the machine's console wants to be told of it (drivers/console/console.hpp); empty: it has none.
std::string window_message();

// What the user types, with the escape key taken out.
struct Typed {
    std::string bytes;         // for the machine: what the guest gets, and the console's own escapes (drivers/console/console.hpp)
    bool        quit = false;
    bool        help = false;
};
class Keyboard {
public:
    Typed feed(std::string_view bytes);

private:
    bool escaped_ = false;
};

} // namespace kennel::tool
