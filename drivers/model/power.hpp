// SPDX-License-Identifier: Apache-2.0
//
// How a guest ends itself: the reset register and the two sleep registers its ACPI tables name, and the classic
// reset port 0xCF9 for kernels that try it. ACPI specification, "Fixed Hardware Registers", "Sleep Control Register".
#pragma once
#include "hv/lib/types.hpp"

namespace kennel::service {

enum class PowerRequest : u8 { none, off, reset };

struct Power {
    static constexpr u16 port          = 0x600;
    static constexpr u16 ports         = 8;
    static constexpr u16 reset_port    = 0x600;      // written with reset_value: start anew
    static constexpr u8  reset_value   = 1;
    static constexpr u16 sleep_control = 0x604;      // written with SLP_EN | 5 << 2 (0x34): off
    static constexpr u16 sleep_status  = 0x605;
    static constexpr u16 classic_reset = 0xcf9;      // bit 2 resets
    static constexpr u8  sleep_off     = 5;          // SLP_TYP of \_S5 in guest/dsdt.asl
    static constexpr u8  sleep_enable  = 0x20;

    static PowerRequest write(u16 at, u32 value)
    {
        if (at == sleep_control && (value & sleep_enable) && ((value >> 2) & 7) == sleep_off)
            return PowerRequest::off;
        if ((at == reset_port && (value & 0xff) == reset_value) || (at == classic_reset && (value & 4)))
            return PowerRequest::reset;
        return PowerRequest::none;
    }
};

} // namespace kennel::service
