// SPDX-License-Identifier: Apache-2.0
//
// See only.hpp. The command line's address is at 0x228 of the zero page (Linux's boot protocol: cmd_line_ptr).
#include "tests/bench/guests/only.hpp"
#include "tests/machine/guest/processor.hpp"
#include "tests/machine/guest/verdict.hpp"

namespace kennel::guest {

namespace {

constexpr u64 command_line = 0x228, longest = 2048;
constexpr char const key[] = "only=";

bool is_key(char const* at)
{
    for (usize i = 0; key[i]; i++)
        if (at[i] != key[i])
            return false;
    return true;
}

} // namespace

Only Only::of_command_line()
{
    Only only;
    u64 const address = read<u32>(boot_parameters + command_line);
    if (address == 0)
        return only;
    auto const* const text = reinterpret_cast<char const*>(address);
    for (usize i = 0; i < longest && text[i]; i++)
        if ((i == 0 || text[i - 1] == ' ') && is_key(text + i)) {
            char const* const value = text + i + sizeof key - 1;
            for (usize n = 0; n + 1 < limit && value[n] && value[n] != ' '; n++)
                only.name_[n] = value[n];
            break;
        }
    return only;
}

bool Only::is(char const* name) const
{
    usize i = 0;
    while (name[i] && name[i] == name_[i])
        i++;
    return name[i] == name_[i];
}

} // namespace kennel::guest
