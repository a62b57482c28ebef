// SPDX-License-Identifier: Apache-2.0
//
// A guest's own page tables, walked in its RAM as the processor would: 4-level, PAE, 32-bit, and none. Every entry is
// read once and every address bounded by GuestMemory; a walk ends after at most four reads.
// SDM, "Paging": "4-Level Paging", "PAE Paging", "32-Bit Paging", "Page-Fault Exceptions".
#pragma once
#include "drivers/guest_memory.hpp"
#include "hv/abi/pages.hpp"
#include "hv/lib/result.hpp"

namespace kennel::service {

enum class Reach : u8 { fetch, read, write };

// The entries a walk through 4-level tables came by. As long as they are unchanged, and so is the state it depends on,
// walking again would end at the same place.
struct Trail {
    SeenWord steps[4];                  // a walk that ends sooner has its last one again: comparing needs no counting
    u32      count = 0;                 // 0: there was no such walk

    void add(SeenWord step)
    {
        for (u32 i = count++; i < 4; i++)
            steps[i] = step;
    }
    // Of one that was made.
    bool unchanged() const { return steps[0].unchanged() && steps[1].unchanged() && steps[2].unchanged() && steps[3].unchanged(); }
};

enum class Unreachable : u8 {
    absent,       // no page is there
    forbidden,    // one is, and the guest itself could not reach it so
    outside,      // the tables lead out of its RAM: no page fault, but the guest's end
};

// Guest physical address of a linear one. `trail` is filled by walks of 4-level tables only; its count is 0 for all others.
Result<u64, Unreachable> translate(GuestMemory const& memory, abi::ExecutionState const& state, u64 linear, Reach reach, Trail* trail = nullptr);

// The error code of the page fault; `why` is not `outside`.
u32 page_fault_code(abi::ExecutionState const& state, Reach reach, Unreachable why);

// Width of the code that runs: 16, 32 or 64.
u32 code_width(abi::ExecutionState const& state);

} // namespace kennel::service
