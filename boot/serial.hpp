// SPDX-License-Identifier: Apache-2.0
//
// The 16550 ports, as far as the loader needs them: is one there, and send a line. hv and the service set
// them up again for themselves.
#pragma once
#include "hv/lib/types.hpp"
#include <string_view>

namespace kennel::boot {

inline constexpr u16 console_port_base = 0x3f8;   // COM1
inline constexpr u16 log_port_base     = 0x2f8;   // COM2

bool serial_present(u16 base);
void serial_start(u16 base);                              // 115200 8n1
void serial_line(u16 base, std::string_view text);        // bounded: a dead port costs milliseconds, never a hang

} // namespace kennel::boot
