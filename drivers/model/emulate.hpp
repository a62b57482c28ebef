// SPDX-License-Identifier: Apache-2.0
//
// Carries out what a guest did to a device: memory accesses (fetch, decode, execute) and string port accesses.
// The registers are changed in place; what comes back says how the guest goes on.
#pragma once
#include "drivers/guest_memory.hpp"
#include "drivers/model/decode.hpp"
#include "drivers/model/platform.hpp"
#include "hv/abi/pages.hpp"

namespace kennel::service {

struct Emulated {
    enum class Next : u8 {
        skip,            // done: go on behind the instruction
        retry,           // a part of a repeated instruction is done: run it again
        impossible,      // not an instruction we carry out, or its bytes or operands are out of reach
    };
    Next next = Next::impossible;
    u32  length = 0;                    // of the instruction
    std::optional<u64> flags;           // new arithmetic flags
    char const* why = "";               // for `impossible`
};

// Instructions decoded before. A driver's accesses to a device come from few places in its code; each is decoded once
// and recognised by address, width and the bytes themselves, which are compared every time: code may change.
class DecodeCache {
public:
    struct Entry {
        u64 rip = 0;
        u64 bytes[2] = {}, mask[2] = {};
        u32 width = 0;                  // 0: unused
        Instruction instruction = {};
    };

    Entry& slot(u64 rip) { return entries_[(rip ^ rip >> 6) % entries]; }
    void   clear() { *this = {}; }

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
