// SPDX-License-Identifier: Apache-2.0
//
// See page_tables.hpp.
#include "boot/page_tables.hpp"

namespace kennel::boot {

namespace {

constexpr u64 present    = 1;
constexpr u64 writable   = 2;
constexpr u64 leaf       = u64{1} << 7;    // in a PDPTE or PDE: maps a page
constexpr u64 no_execute = u64{1} << 63;
constexpr u64 address    = 0x000f'ffff'ffff'f000;

constexpr u64 root_covers = u64{1} << 39;  // bytes behind one entry of the root

constexpr u64 entry_index(u64 virtual_address, u64 covers) { return virtual_address / covers % 512; }

constexpr u64 rights_of(PageRights rights)
{
    return present | (rights.writable ? writable : 0) | (rights.executable ? 0 : no_execute);
}

} // namespace

u64* PageTables::table(u64 physical) const { return reinterpret_cast<u64*>(arena_.data() + (physical - physical_)); }

// The table behind an entry that covers `covers` bytes; a new one where there is none, a split one where it is a leaf.
u64* PageTables::descend(u64* entry, u64 covers)
{
    if ((*entry & present) != 0 && (*entry & leaf) == 0)
        return table(*entry & address);
    if (used_ + page_size > arena_.size())
        return nullptr;
    u64 const physical = physical_ + used_;
    used_ += page_size;
    u64* const below = table(physical);
    if ((*entry & present) != 0) {
        u64 const part = covers / 512;
        u64 const kept = part == page_size ? *entry & ~leaf : *entry;   // a PTE has no such bit
        for (u64 i = 0; i < 512; i++)
            below[i] = kept + i * part;
    }
    *entry = physical | present | writable;                             // rights are decided in the leaves
    return below;
}

bool PageTables::map(u64 virtual_base, u64 physical_base, u64 size, PageRights rights, u64 largest)
{
    while (size > 0) {
        u64* entries = table(physical_);
        u64 covers = root_covers;
        for (;;) {
            u64* const entry = &entries[entry_index(virtual_base, covers)];
            bool const fits = covers <= largest && covers <= size && virtual_base % covers == 0 && physical_base % covers == 0;
            bool const free = (*entry & present) == 0 || (*entry & leaf) != 0 || covers == page_size;
            if (fits && free) {
                *entry = physical_base | rights_of(rights) | (covers > page_size ? leaf : 0);
                break;
            }
            entries = descend(entry, covers);
            if (entries == nullptr)
                return false;
            covers /= 512;
        }
        virtual_base += covers;
        physical_base += covers;
        size -= covers;
    }
    return true;
}

PageTables::Walk PageTables::walk(u64 virtual_address) const
{
    u64 const* entries = table(physical_);
    for (u64 covers = root_covers;; covers /= 512) {
        u64 const entry = entries[entry_index(virtual_address, covers)];
        if ((entry & present) == 0)
            return {0, 0};
        if (covers == page_size || (entry & leaf) != 0)
            return {(entry & address & ~(covers - 1)) + virtual_address % covers, entry};
        entries = table(entry & address);
    }
}

} // namespace kennel::boot
