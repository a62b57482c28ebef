// SPDX-License-Identifier: Apache-2.0
//
// Carries out what a guest did to a device: memory accesses (fetch, decode, execute) and string port accesses.
// The registers are changed in place; what comes back says how the guest goes on.
#pragma once
#include "drivers/guest_memory.hpp"
#include "drivers/model/decode.hpp"
#include "drivers/model/paging.hpp"
#include "drivers/model/platform.hpp"
#include "hv/abi/pages.hpp"

namespace kennel::service {

struct Emulated {
    enum class Next : u8 {
        skip,            // done: go on behind the instruction
        retry,           // a part of a repeated instruction is done: run it again
        page_fault,      // the same, or nothing is done: instead of going on, the guest gets this exception
        general_protection,
        impossible,      // not an instruction we carry out, or its bytes or operands are out of reach
    };
    Next next = Next::impossible;
    u32  length = 0;                    // of the instruction; of an exception, its error code
    std::optional<u64> value;           // new arithmetic flags; of a page fault, its address
    char const* why = "";               // for `impossible`
};

// Instructions decoded before. A driver's accesses to a device come from few places in its code, and each is decoded once.
// Both what was decoded and the way to it may change under us, so both are compared every time: the instruction's bytes
// and the page-table entries that lead to them. That costs a tenth of walking and decoding.
class DecodeCache {
public:
    struct Entry {
        u64 rip = 0, cr0 = 0, cr3 = 0, cr4 = 0, efer = 0;
        u32 width = 0, cpl = 0;         // width 0: unused
        Trail trail;
        SeenWord bytes[2];
        u64 mask[2] = {};               // of the instruction's own bytes
        Instruction instruction = {};

        bool fits(abi::ExecutionState const& state, u32 code_width) const
        {
            return rip == state.rip && width == code_width && cr3 == state.cr3 && cr0 == state.cr0 && cr4 == state.cr4 && efer == state.efer &&
                   cpl == state.cpl && trail.unchanged() && bytes[0].unchanged(mask[0]) && bytes[1].unchanged(mask[1]);
        }
    };

    Entry& slot(u64 rip) { return entries_[(rip ^ rip >> 6) % entries]; }
    void   clear()
    {
        for (Entry& entry : entries_)
            entry.width = 0;
    }

private:
    static constexpr usize entries = 64;
    Entry entries_[entries];
};

Emulated emulate_memory(GuestMemory const& memory, Platform& platform, DecodeCache& cache, abi::ExecutionState const& state,
                        abi::MemoryIntercept const& access, abi::Registers& registers);

Emulated emulate_port_string(GuestMemory const& memory, Platform& platform, abi::ExecutionState const& state,
                             abi::PortIntercept const& access, abi::Registers& registers);

// Replaces the low `size` bytes by x86 rules: 4 bytes clear the upper half, 1 and 2 leave the rest alone.
inline u64 merged(u64 old, u64 value, u32 size)
{
    switch (size) {
    case 1:  return (old & ~0xffull) | (value & 0xff);
    case 2:  return (old & ~0xffffull) | (value & 0xffff);
    case 4:  return value & 0xffff'ffff;
    default: return value;
    }
}

} // namespace kennel::service
