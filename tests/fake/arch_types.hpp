// SPDX-License-Identifier: Apache-2.0
//
// The fake architecture's part of a Cpu, a Vcpu and a Partition: what the processor would hold, in the open.
#pragma once
#include "hv/abi/pages.hpp"
#include "hv/address.hpp"
#include <optional>

namespace kennel {
class Pool;
struct Vcpu;
}

namespace kennel::arch {

struct CpuArch {
    kennel::u64 timer = ~0ull;
    unsigned kicks = 0, idles = 0, end_of_interrupts = 0;
    Vcpu* loaded = nullptr;              // whose state the processor holds
};

struct VcpuArch {
    u64  rip = 0x1000;
    u32  length = 2;                     // of the instruction that exited
    bool interrupts_enabled = true;
    u32  privilege = 0;
    u64  flags = 2, fault_address = 0;
    std::optional<u8> exception;         // injected, not delivered yet
    std::optional<u8> interrupt;         // injected
    bool window_wanted = false;
    unsigned reinjections = 0;
    bool released = false;
};

struct Mapping { u64 guest, host, size; u32 rights; abi::MemoryType type; };

struct Space {
    void create(Pool&) {}
    Mapping mappings[48] = {};             // size 0: unused. In the partition's own frame, so nothing to free
    unsigned invalidations = 0;
};

} // namespace kennel::arch
