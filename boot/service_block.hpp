// SPDX-License-Identifier: Apache-2.0
//
// A service partition's block, as hv/abi/boot_info.hpp promises it:
//   [ image | page tables | stacks | modules ... | at least 2 MiB of heap ]
// plan_block says how large it is before there is memory for it; build_block fills it. Pure, like image.hpp.
#pragma once
#include "boot/image.hpp"

namespace kennel::boot {

inline constexpr u64 service_stack_top  = 0xffff'ffff'c040'0000;   // of vCPU 0; the others lie below
inline constexpr u64 service_stack_size = 64 * 1024;               // bytes
inline constexpr u64 service_stack_step = service_stack_size + page_size;   // with an unmapped page under each
inline constexpr u64 service_heap_least = large_page;

struct AddressReach {
    u64  identity_end;     // bytes from 0 that the service sees at their own addresses; 2 MiB multiple
    bool huge_pages;       // the processor has 1 GiB pages
};

struct BlockPlan {
    u64 tables_offset = 0, tables_size = 0;
    u64 stacks_offset = 0, stacks_size = 0;
    u64 modules_offset = 0;
    u64 size = 0;          // of the whole block, 2 MiB multiple
};

constexpr u64 round_up(u64 value, u64 to) { return (value + to - 1) & ~(to - 1); }   // to: a power of two

// `modules_size`: bytes, each module rounded up to pages.
BlockPlan plan_block(ImageLayout const& layout, AddressReach reach, u32 cpu_count, u64 modules_size);

// Image, page tables, stacks: everything but the modules. `memory` is the zeroed block, seen at physical `base`.
// False: the tables do not fit, which plan_block prevents.
bool build_block(ElfImage const& image, ImageLayout const& layout, AddressReach reach, u32 cpu_count, BlockPlan const& plan,
                 std::span<u8> memory, u64 base, abi::ServiceImage& service);

} // namespace kennel::boot
