// SPDX-License-Identifier: Apache-2.0
//
// A guest's own page tables, walked in its RAM as the processor would: 4-level, PAE, 32-bit, and none. Every entry is
// read once and every address bounded by GuestMemory; a walk ends after at most four reads.
// SDM, "Paging": "4-Level Paging", "PAE Paging", "32-Bit Paging".
#pragma once
#include "drivers/guest_memory.hpp"
#include "hv/abi/pages.hpp"

namespace kennel::service {

enum class Reach : u8 { fetch, read, write };

// Guest physical address of a linear one; nothing where the guest itself could not reach it, or the tables lie outside its RAM.
std::optional<u64> translate(GuestMemory const& memory, abi::ExecutionState const& state, u64 linear, Reach reach);

// Width of the code that runs: 16, 32 or 64.
u32 code_width(abi::ExecutionState const& state);

} // namespace kennel::service
