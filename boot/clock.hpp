// SPDX-License-Identifier: Apache-2.0
//
// How fast the TSC runs, and what time it is. The PM timer, the HPET and the PIT are references; CPUID leaf 15h is
// believed where it agrees with one of them.
#pragma once
#include "boot/acpi.hpp"
#include "boot/screen.hpp"

namespace kennel::boot {

// Fills tsc_hz, wall_clock_ns and wall_clock_tsc; refuses when no clock is to be had.
void set_clock(Screen& screen, Firmware const& firmware, AcpiFacts const& facts, abi::BootInfo& info);

} // namespace kennel::boot
