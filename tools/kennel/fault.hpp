// SPDX-License-Identifier: Apache-2.0
//
// How this program ends, and why: every step that can fail gives a Fault with the exit status it means and one line of text.
#pragma once
#include "hv/lib/result.hpp"
#include "hv/lib/types.hpp"
#include <format>
#include <string>

namespace kennel::tool {

enum class ExitStatus : int {
    ok             = 0,     // every guest stopped as it should
    guest_failed   = 1,
    bad_usage      = 2,     // the command line, a file or a description is wrong; nothing was started
    machine_failed = 3,     // the machine could not start, or stopped without saying so
    time_limit     = 124,   // as timeout(1)
    interrupted    = 130,   // the user left, by the escape key or a signal
};

struct Fault {
    ExitStatus  status;
    std::string text;       // one line: what, where, what is allowed
};

template <typename T> using Or = Result<T, Fault>;

template <typename... Parts> std::unexpected<Fault> bad_usage(std::format_string<Parts...> format, Parts&&... parts)
{
    return Err(Fault{ExitStatus::bad_usage, std::format(format, std::forward<Parts>(parts)...)});
}

template <typename... Parts> std::unexpected<Fault> machine_failed(std::format_string<Parts...> format, Parts&&... parts)
{
    return Err(Fault{ExitStatus::machine_failed, std::format(format, std::forward<Parts>(parts)...)});
}

} // namespace kennel::tool
