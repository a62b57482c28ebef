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

struct Rules { bool write, user_mode, write_protect; };

bool allowed(u64 entry, Rules rules)
{
    if (!(entry & present) || (rules.user_mode && !(entry & user)))
        return false;
    return !rules.write || (entry & writable) || (!rules.user_mode && !rules.write_protect);
}

// Tables of 512 entries of 8 bytes, `levels` of them below `root`; the topmost may have fewer entries.
std::optional<u64> walk_wide(GuestMemory const& memory, u64 root, u32 levels, u64 linear, Rules rules, Trail* trail)
{
    u64 table = root;
    for (u32 level = levels; level-- > 0;) {
        u32 const shift = 12 + 9 * level;
        auto const word = memory.look(table + 8 * ((linear >> shift) & 511));
        if (!word)
            return std::nullopt;
        u64 const entry = word->seen();
        if (trail)
            trail->steps[trail->count++] = *word;
        // PAE's page-directory-pointer entries have no rights, only "present".
        bool const pointer = levels == 3 && level == 2;
        if (pointer ? !(entry & present) : !allowed(entry, rules))
            return std::nullopt;
        if (level == 0 || (!pointer && level < 3 && (entry & large))) {
            u64 const offset = (1ull << shift) - 1;
            return (entry & address_mask & ~offset) | (linear & offset);
        }
        table = entry & address_mask;
    }
    return std::nullopt;
}

std::optional<u64> walk_narrow(GuestMemory const& memory, u64 root, u64 linear, Rules rules, bool large_pages)
{
    u32 directory = 0, entry = 0;
    if (!memory.copy_in((root & 0xffff'f000) + 4 * ((linear >> 22) & 1023), directory) || !allowed(directory, rules))
        return std::nullopt;
    if (large_pages && (directory & large))           // bits 20:13 are address bits 39:32
        return (directory & 0xffc0'0000u) | static_cast<u64>((directory >> 13) & 0xff) << 32 | (linear & 0x3f'ffff);
    if (!memory.copy_in((directory & 0xffff'f000) + 4 * ((linear >> 12) & 1023), entry) || !allowed(entry, rules))
        return std::nullopt;
    return (entry & 0xffff'f000u) | (linear & 0xfff);
}

} // namespace

std::optional<u64> translate(GuestMemory const& memory, abi::ExecutionState const& state, u64 linear, Reach reach, Trail* trail)
{
    if (trail)
        trail->count = 0;
    Rules const rules{reach == Reach::write, state.cpl == 3, (state.cr0 & cr0_write_protect) != 0};
    if (!(state.cr0 & cr0_paging))
        return linear & 0xffff'ffff;
    if (state.efer & efer_long_active) [[likely]]
        return walk_wide(memory, state.cr3 & address_mask, 4, linear, rules, trail);
    if (state.cr4 & cr4_pae)
        return walk_wide(memory, state.cr3 & 0xffff'ffe0, 3, linear & 0xffff'ffff, rules, nullptr);
    return walk_narrow(memory, state.cr3, linear & 0xffff'ffff, rules, state.cr4 & cr4_large);
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
