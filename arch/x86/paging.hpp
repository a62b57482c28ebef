// SPDX-License-Identifier: Apache-2.0
//
// hv's own page tables: its image (W^X), its pool, device registers it owns, stacks with guard pages. Never a guest's
// memory. One set of tables while the machine starts; then each CPU gets its own, in which what is private to another
// CPU is not mapped: that one's Cpu and stacks, and the registers, extended states and VMCSs of its vCPUs.
//
//   image_virtual_base        the block: image by section rights, then BootInfo and pool, data
//   stacks_virtual_base       64 KiB per CPU: its stacks and its Cpu; what is not mapped there is a guard page
//   devices_virtual_base      registers and the framebuffer, uncached
//   trampoline (identity)     one page below 1 MiB, read and execute, while CPUs are being started
#pragma once
#include "hv/cpu.hpp"

namespace kennel::arch {

inline constexpr u64 stacks_virtual_base  = 0xffff'ffff'a000'0000;
inline constexpr u64 devices_virtual_base = 0xffff'ffff'c000'0000;

struct Page { static constexpr u64 present = 1, writable = 2, write_through = 8, cache_disable = 16, no_execute = 1ull << 63; };

// Zeroed, and hv's as long as the machine runs. Panics when the pool is used up: nothing works without.
void* own_frame(Machine& machine);

class HostPaging {
public:
    struct Image { u64 text, text_end, constants, constants_end; };   // virtual, page-aligned: what the linker script says
    void build(Machine& machine, Image const& image);
    void use() const;                                   // on this CPU, while the machine starts
    void reserve(u32 cpu);                              // the address of that CPU's tables, which hold nothing before `divide`
    void divide(u32 cpus);                              // each of them gets tables of its own, so far with everything
    // A page of the block or the stacks: from now on mapped on `owner` alone, or on all again (of the block only).
    // The other CPUs may remember it for a while: see invalidate.
    void set_private(u32 owner, u64 virtual_address, bool is_private);
    void* map_device(HostPhysical base, u64 size);      // uncached, never unmapped
    void map_page(u64 virtual_address, HostPhysical page, u64 flags);
    void unmap_page(u64 virtual_address);
    HostPhysical root(u32 cpu = 0) const { return roots_[cpu]; }

private:
    u64* entry(u64 virtual_address, u32 cpu = 0);
    void copy(u64 const* from, u64* to, unsigned level);
    Machine*     machine_ = nullptr;
    HostPhysical roots_[abi::max_cpus] = {};
    u32          divided_ = 0;                          // CPUs that have tables of their own
    u64          next_device_ = devices_virtual_base;
};

} // namespace kennel::arch
