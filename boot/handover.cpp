// SPDX-License-Identifier: Apache-2.0
//
// See handover.hpp.
#include "boot/handover.hpp"
#include "boot/instructions.hpp"
#include "boot/page_tables.hpp"
#include "boot/processor.hpp"

namespace kennel::boot {

u64 build_transitional_tables(Firmware& firmware, HypervisorBlock const& block, u64 identity_end)
{
    constexpr u64 four_gib = u64{1} << 32;
    u64 const high = identity_end > four_gib ? identity_end - four_gib : 0;
    // Above 4 GiB only RAM and the screen are meant; below it, memory types change often, so pages are small.
    u64 const largest = has_huge_pages() ? huge_page : large_page;
    u64 const directories = 4 + 2 + (has_huge_pages() ? 1 : round_up(high, huge_page) / huge_page);
    u64 const pages = 1 + 1 + round_up(identity_end, u64{1} << 39) / (u64{1} << 39) + directories;
    u64 const arena = firmware.allocate(pages * page_size, page_size, four_gib);
    if (arena == 0)
        return 0;
    PageTables tables({reinterpret_cast<u8*>(arena), pages * page_size}, arena);
    PageRights const all{.writable = true, .executable = true};
    bool const done = tables.map(0, 0, four_gib, all, large_page) && tables.map(four_gib, four_gib, high, all, largest) &&
                      tables.map(abi::image_virtual_base, block.base, block.size, all, large_page);
    return done ? tables.root() : 0;
}

// This code and its stack are in RAM that both the firmware's tables and ours map one to one.
void enter_hypervisor(HypervisorBlock const& block, u64 root)
{
    constexpr u64 global_pages = u64{1} << 7, control_flow_enforcement = u64{1} << 23;
    u64 const info = abi::image_virtual_base + (reinterpret_cast<u64>(block.info) - block.base);
    interrupts_off();
    write_cr4(read_cr4() & ~(global_pages | control_flow_enforcement));   // no translation of the firmware's stays
    asm volatile("mov %0, %%cr3\n\t"
                 "xor %%ebp, %%ebp\n\t"
                 "cld\n\t"
                 "jmp *%1"
                 : : "r"(root), "r"(block.entry), "D"(info) : "memory");
    __builtin_unreachable();
}

} // namespace kennel::boot
