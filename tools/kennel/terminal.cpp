// SPDX-License-Identifier: Apache-2.0
//
// See terminal.hpp.
#include "tools/kennel/terminal.hpp"
#include <cstdlib>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

namespace kennel::tool {

namespace {

termios original;
bool    is_raw = false;   // written by the main flow only; a signal handler reads it

} // namespace

void say_line(std::string_view text)
{
    std::string out;
    if (is_raw)
        out += '\r';
    for (char const c : text) {
        if (c == '\n' && is_raw)
            out += '\r';
        bool const control = (c >= 0 && c < ' ' && c != '\n' && c != '\t') || c == 0x7f;
        out += control ? '?' : c;                        // a file's name shall not steer the terminal
    }
    out += is_raw ? "\r\n" : "\n";
    [[maybe_unused]] auto const written = write(STDERR_FILENO, out.data(), out.size());
}

bool use_colours(int descriptor)
{
    char const* const refused = std::getenv("NO_COLOR");
    return isatty(descriptor) == 1 && (refused == nullptr || *refused == 0);
}

ExitStatus spoken(Or<ExitStatus> const& result)
{
    if (!result)
        say("{}", result.error().text);
    return result ? *result : result.error().status;
}

bool input_is_terminal()
{
    return isatty(STDIN_FILENO) == 1 && tcgetpgrp(STDIN_FILENO) == getpgrp();
}

void make_terminal_raw()
{
    if (is_raw || tcgetattr(STDIN_FILENO, &original) != 0)
        return;
    std::atexit(restore_terminal);
    termios raw = original;
    cfmakeraw(&raw);
    raw.c_oflag |= original.c_oflag & (OPOST | ONLCR);   // several processes may print here
    if (tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0)
        is_raw = true;
}

void restore_terminal()
{
    if (!is_raw)
        return;
    tcsetattr(STDIN_FILENO, TCSADRAIN, &original);
    is_raw = false;
}

std::string window_message()
{
    winsize size{};
    if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0)
        return {};
    return std::format("{}w{} {}\n", escape_key, size.ws_col, size.ws_row);
}

Typed Keyboard::feed(std::string_view bytes)
{
    Typed typed;
    for (char const c : bytes) {
        if (!escaped_) {
            escaped_ = c == escape_key;
            if (!escaped_)
                typed.bytes += c;
            continue;
        }
        escaped_ = false;
        if (c == escape_key || c == 'm' || (c >= '0' && c <= '9'))
            (typed.bytes += escape_key) += c;         // the machine's console knows these itself
        else if (c == 'q' || c == 'Q' || c == 'q' - 'a' + 1)
            typed.quit = true;
        else
            typed.help = true;
    }
    return typed;
}

} // namespace kennel::tool
