// SPDX-License-Identifier: Apache-2.0
//
// What hv/ carries around without looking inside: the processor's part of a Cpu, of a Vcpu and of a Partition.
// hv/arch.hpp includes this by name; the host tests have another file of the same name.
#pragma once
#include "hv/abi/pages.hpp"
#include "hv/address.hpp"

namespace kennel {
class Pool;
struct Vcpu;
}

namespace kennel::arch {

struct [[gnu::packed]] TaskState {         // SDM, "Task State Segment in 64-bit mode"
    u32 reserved0;
    u64 rsp[3];
    u64 reserved1;
    u64 ist[7];                            // [0] NMI, [1] machine check, [2] double fault and every other exception
    u64 reserved2;
    u16 reserved3, io_map;
};
static_assert(sizeof(TaskState) == 104);

struct CpuArch {
    void*  self = nullptr;                 // %gs:0
    u64    stack_top = 0;                  // virtual; the VM exit stub's two words lie just below
    Vcpu*  loaded = nullptr;               // whose VMCS is current
    Vcpu*  context = nullptr;              // whose lazily switched registers are in the processor
    u8     noted_vector = 0;               // what interrupted hv where it lets interrupts in; 0: nothing
    u32    exits_with_if_clear = 0;        // see look_for_interrupts
    alignas(16) u64 gdt[7] = {};
    TaskState task = {};
};

// Registers the VMCS does not hold. They stay in the processor while only the vCPU's own service runs in between,
// because a service touches none of them; see guest_context.cpp.
struct GuestContext {
    void* extended = nullptr;              // XSAVE area, one frame
    u64   xcr0 = 1;
    u64   msrs[6] = {};                    // in the order of guest_context.cpp
    u64   cr2 = 0;
    u64   debug[4] = {}, dr6 = 0xffff'0ff0;
    bool  debug_loaded = false;            // the guest uses the debug registers without exits for now
};

struct CpuidTable;

struct VcpuArch {
    u64   vmcs = 0;                        // host physical
    GuestContext context;
    CpuidTable const* cpuid = nullptr;
    u64   kept[3] = {};                    // MSRs it may write without effect: MTRR default type, TSC adjust, MISC_ENABLE
};

// Second-level address space: EPT. Its tables come from the partition's pool.
struct Space {
    u64* root = nullptr;
    u8*  ports[2] = {};                    // I/O bitmaps of a service that owns devices; null: every port exits
    void create(Pool& pool);               // which has a frame left
};

} // namespace kennel::arch
