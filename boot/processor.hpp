// SPDX-License-Identifier: Apache-2.0
//
// Is this processor able to run Kennel? Each missing ability is a refusal of its own, with what to do about it;
// each useful one a line.
#pragma once
#include "boot/screen.hpp"

namespace kennel::boot {

// Speaks about the boot processor; refusals go to `screen`. Enables VT-x where the firmware left that open.
void check_processor(Screen& screen);

bool has_huge_pages();                  // 1 GiB pages in ordinary page tables
bool uses_five_levels();                // CR4.LA57: paging as the firmware set it up
u32  boot_apic_id();

// For each further processor: what check_processor did, without a word. 0: fine; else the FEATURE_CONTROL fault.
enum class ProcessorFault : u32 { none, no_vmx, vmx_locked };
ProcessorFault enable_vmx();

} // namespace kennel::boot
