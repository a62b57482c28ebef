// SPDX-License-Identifier: Apache-2.0
//
// The processors and IOAPICs of the machine: from the MADT where there is one, else from the firmware's
// multi-processor services and the architecture's fixed places.
#pragma once
#include "boot/acpi.hpp"
#include "boot/screen.hpp"

namespace kennel::boot {

// Fills cpus (the boot processor first), io_apics and overrides. Where the firmware can run a procedure on the other
// processors, VT-x is enabled and the TSC compared there; processors that cannot take part are named and left out.
void find_processors(Screen& screen, Firmware const& firmware, AcpiFacts const& facts, abi::BootInfo& info);

} // namespace kennel::boot
