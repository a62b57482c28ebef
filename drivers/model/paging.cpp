// SPDX-License-Identifier: Apache-2.0
//
// See paging.hpp.
#include "drivers/model/paging.hpp"

namespace kennel::service {

namespace {

constexpr u64 cr0_protection = 1, cr0_write_protect = 1 << 16, cr0_paging = 1u << 31;
constexpr u64 cr4_large = 1 << 4, cr4_pae = 1 << 5;
constexpr u64 efer_long_active = 1 << 10;
constexpr u64 flags_virtual_8086 = 1 << 17;
constexpr u32 access_long = 1 << 13, access_default_32 = 1 << 14;   // VMX access-rights format

constexpr u64 present = 1, writable = 2, user = 4, large = 1 << 7;
constexpr u64 address_mask = 0x000f'ffff'ffff'f000;

// What every entry on the way must have for this access: the same bits at each level.
u64 needed_bits(abi::ExecutionState const& state, Reach reach)
{
    bool const user_mode = state.cpl == 3, is_bound = user_mode || (state.cr0 & cr0_write_protect);
    return present | (user_mode ? user : 0) | (reach == Reach::write && is_bound ? writable : 0);
}

// A missing page counts before a forbidden one: rights are looked at when the walk has come to its end.
Result<u64, Unreachable> reached(u64 address, bool is_forbidden)
{
    if (is_forbidden) [[unlikely]]
        return Err(Unreachable::forbidden);
    return address;
}

// Tables of 512 entries of 8 bytes, `levels` of them below `root`; the topmost may have fewer entries.
Result<u64, Unreachable> walk_wide(GuestMemory const& memory, u64 root, u32 levels, u64 linear, u64 needed, Trail* trail)
{
    u64 table = root;
    bool is_forbidden = false;
    for (u32 level = levels; level-- > 0;) {
        u32 const shift = 12 + 9 * level;
        auto const word = memory.look(table + 8 * ((linear >> shift) & 511));
        if (!word)
            return Err(Unreachable::outside);
        u64 const entry = word->seen();
        if (trail)
            trail->add(*word);
        // PAE's page-directory-pointer entries have no rights, only "present".
        bool const pointer = levels == 3 && level == 2;
        u64 const wanted = pointer ? present : needed;
        if ((entry & wanted) != wanted) [[unlikely]] {
            if (!(entry & present))
                return Err(Unreachable::absent);
            is_forbidden = true;
        }
        if (level == 0 || (!pointer && level < 3 && (entry & large))) {
            u64 const offset = (1ull << shift) - 1;
            return reached((entry & address_mask & ~offset) | (linear & offset), is_forbidden);
        }
        table = entry & address_mask;
    }
    return Err(Unreachable::outside);         // not reached: level 0 has returned
}

Result<u64, Unreachable> walk_narrow(GuestMemory const& memory, u64 root, u64 linear, u64 needed, bool large_pages)
{
    u32 directory = 0, entry = 0;
    if (!memory.copy_in((root & 0xffff'f000) + 4 * ((linear >> 22) & 1023), directory))
        return Err(Unreachable::outside);
    if (!(directory & present))
        return Err(Unreachable::absent);
    if (large_pages && (directory & large))           // bits 20:13 are address bits 39:32
        return reached((directory & 0xffc0'0000u) | static_cast<u64>((directory >> 13) & 0xff) << 32 | (linear & 0x3f'ffff), (directory & needed) != needed);
    if (!memory.copy_in((directory & 0xffff'f000) + 4 * ((linear >> 12) & 1023), entry))
        return Err(Unreachable::outside);
    if (!(entry & present))
        return Err(Unreachable::absent);
    return reached((entry & 0xffff'f000u) | (linear & 0xfff), (directory & entry & needed) != needed);
}

} // namespace

Result<u64, Unreachable> translate(GuestMemory const& memory, abi::ExecutionState const& state, u64 linear, Reach reach, Trail* trail)
{
    if (trail)
        trail->count = 0;
    u64 const needed = needed_bits(state, reach);
    if (!(state.cr0 & cr0_paging))
        return linear & 0xffff'ffff;
    if (state.efer & efer_long_active) [[likely]]
        return walk_wide(memory, state.cr3 & address_mask, 4, linear, needed, trail);
    if (state.cr4 & cr4_pae)
        return walk_wide(memory, state.cr3 & 0xffff'ffe0, 3, linear & 0xffff'ffff, needed, nullptr);
    return walk_narrow(memory, state.cr3, linear & 0xffff'ffff, needed, state.cr4 & cr4_large);
}

u32 page_fault_code(abi::ExecutionState const& state, Reach reach, Unreachable why)
{
    constexpr u32 was_present = 1, was_write = 2, was_user = 4, was_fetch = 16;
    return (why == Unreachable::forbidden ? was_present : 0) | (reach == Reach::write ? was_write : 0) | (state.cpl == 3 ? was_user : 0) |
           (reach == Reach::fetch ? was_fetch : 0);
}

u32 code_width(abi::ExecutionState const& state)
{
    if (!(state.cr0 & cr0_protection) || (state.rflags & flags_virtual_8086))
        return 16;
    if ((state.efer & efer_long_active) && (state.cs_access & access_long)) [[likely]]
        return 64;
    return state.cs_access & access_default_32 ? 32 : 16;
}

} // namespace kennel::service
