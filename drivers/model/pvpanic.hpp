// SPDX-License-Identifier: Apache-2.0
//
// The device through which a guest's kernel says that it panicked: one byte in a memory BAR. QEMU, "pvpanic device"
// specification. Read: the events we understand. Written: the events that happened.
#pragma once
#include "hv/lib/types.hpp"

namespace kennel::service {

struct PvPanic {
    static constexpr u16 vendor = 0x1b36, device = 0x0011;
    static constexpr u8  panicked = 1, crash_loaded = 2;

    static u8   read() { return panicked | crash_loaded; }
    static bool is_panic(u8 written) { return written & panicked; }
};

} // namespace kennel::service
