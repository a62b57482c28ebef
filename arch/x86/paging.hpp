// SPDX-License-Identifier: Apache-2.0
//
// hv's own page tables: its image (W^X), its pool, device registers it owns, stacks with guard pages. Never a guest's
// memory. One set of tables for all CPUs, built by the boot CPU before anything else runs.
//
//   image_virtual_base        the block: image by section rights, then BootInfo and pool, data
//   stacks_virtual_base       64 KiB per CPU: what is not a stack page is a guard page
//   devices_virtual_base      registers and the framebuffer, uncached
//   trampoline (identity)     one page below 1 MiB, read and execute, while CPUs are being started
#pragma once
#include "hv/cpu.hpp"

namespace kennel::arch {

inline constexpr u64 stacks_virtual_base  = 0xffff'ffff'a000'0000;
inline constexpr u64 devices_virtual_base = 0xffff'ffff'c000'0000;

struct Page { static constexpr u64 present = 1, writable = 2, write_through = 8, cache_disable = 16, no_execute = 1ull << 63; };

class HostPaging {
public:
    struct Image { u64 text, text_end, constants, constants_end; };   // virtual, page-aligned: what the linker script says
    void build(Machine& machine, Image const& image);   // panics when the pool cannot hold it: nothing works without
    void use() const;                                   // on this CPU
    void* map_device(HostPhysical base, u64 size);      // uncached, never unmapped
    void map_page(u64 virtual_address, HostPhysical page, u64 flags);
    void unmap_page(u64 virtual_address);
    HostPhysical root() const { return root_; }

private:
    u64* entry(u64 virtual_address);
    Machine*     machine_ = nullptr;
    HostPhysical root_{};
    u64          next_device_ = devices_virtual_base;
};

} // namespace kennel::arch
