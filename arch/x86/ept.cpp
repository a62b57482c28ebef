// SPDX-License-Identifier: Apache-2.0
//
// A partition's second-level tables. SDM, "The Extended Page Table Mechanism (EPT)". Leaves are as large as the range,
// its alignment and the processor allow; executable RAM stays in 4 KiB leaves where the iTLB multihit erratum may exist
// (SDM errata, "Page size change machine check"), since a guest could otherwise take the whole machine down.
#include "arch/x86/host.hpp"
#include "arch/x86/instructions.hpp"
#include "hv/cpu.hpp"

namespace kennel::arch {

namespace {

constexpr u64 read = 1, write = 2, execute = 4, leaf = 1 << 7;
constexpr u64 address_mask = 0x000f'ffff'ffff'f000;

u64 span_of(unsigned level) { return page_size << (9 * level); }    // level 0: 4 KiB, 1: 2 MiB, 2: 1 GiB

u64* table_of(Pool const& pool, u64 entry) { return pool.block().pointer<u64>({entry & address_mask}); }

// The table below `slot`, made when there is none. Null: pool used up.
u64* descend(Pool& pool, u64& slot)
{
    if (!(slot & 7)) {
        void* table = pool.allocate();
        if (!table)
            return nullptr;
        slot = pool.block().physical(table).value | read | write | execute;
    }
    return table_of(pool, slot);
}

// A large leaf becomes a table of the next smaller leaves with the same rights and type.
u64* split(Pool& pool, u64& slot, unsigned level)
{
    u64* const table = static_cast<u64*>(pool.allocate());
    if (!table)
        return nullptr;
    u64 const step = span_of(level - 1), attributes = slot & ~address_mask & ~(level == 1 ? leaf : 0ull);
    for (u64 i = 0; i < 512; i++)
        table[i] = ((slot & address_mask) + i * step) | attributes;
    // The table is complete before it is reachable: the processor walks these entries at any time.
    __atomic_store_n(&slot, pool.block().physical(table).value | read | write | execute, __ATOMIC_RELEASE);
    return table;
}

abi::Status map_one(Pool& pool, u64* root, u64 guest, u64 host, unsigned level, u64 bits)
{
    u64* table = root;
    for (unsigned at = 3; at > level; at--) {
        u64& slot = table[(guest >> (12 + 9 * at)) & 511];
        if ((slot & 7) && (slot & leaf))
            return abi::Status::overlap;
        table = descend(pool, slot);
        if (!table)
            return abi::Status::no_memory;
    }
    u64& slot = table[(guest >> (12 + 9 * level)) & 511];
    if (slot & 7)
        return abi::Status::overlap;
    __atomic_store_n(&slot, host | bits | (level ? leaf : 0), __ATOMIC_RELEASE);
    return abi::Status::ok;
}

void unmap_range(Pool& pool, u64* table, unsigned level, u64 base, u64 from, u64 to)
{
    for (u64 i = (from - base) / span_of(level); i < 512; i++) {
        u64 const start = base + i * span_of(level), end = start + span_of(level);
        if (start >= to)
            return;
        u64& slot = table[i];
        if (!(slot & 7))
            continue;
        bool const is_inside = level == 0 || ((slot & leaf) && start >= from && end <= to);
        u64* const below = is_inside ? nullptr : slot & leaf ? split(pool, slot, level) : table_of(pool, slot);
        // Where there is no frame to keep the rest of a large leaf, all of it goes: revoking is what was asked for.
        if (below)
            unmap_range(pool, below, level - 1, start, from > start ? from : start, to < end ? to : end);
        else
            __atomic_store_n(&slot, 0, __ATOMIC_RELEASE);
    }
}

} // namespace

void Space::create(Pool& pool) { root = static_cast<u64*>(pool.allocate()); }

abi::Status map(Partition& partition, GuestPhysical guest, HostPhysical host, Bytes size, u32 rights, abi::MemoryType type)
{
    HostFeatures const& features = host_features();
    // SDM, "EPT Memory Type": bits 5:3.
    u64 const bits = (rights & 7) | (static_cast<u64>(type) << 3);
    bool const small_only = (rights & execute) && !partition.machine->boot->trust_guests && !features.no_page_size_erratum;
    unsigned const largest = small_only ? 0 : features.ept_1g ? 2 : 1;

    for (u64 done = 0; done < size.value;) {
        unsigned level = largest;
        while (level && (!is_aligned((guest.value + done) | (host.value + done), span_of(level)) || size.value - done < span_of(level)))
            level--;
        abi::Status status;
        do
            status = map_one(partition.pool, partition.space.root, guest.value + done, host.value + done, level, bits);
        while (status == abi::Status::overlap && level--);          // perhaps only a table, whose leaves are all gone
        if (status != abi::Status::ok) {
            // All or nothing: what this call mapped goes again. Nothing ran with it yet that must be told.
            unmap(partition, guest, {done});
            return status;
        }
        done += span_of(level);
    }
    return abi::Status::ok;
}

void unmap(Partition& partition, GuestPhysical guest, Bytes size)
{
    if (size.value)
        unmap_range(partition.pool, partition.space.root, 3, 0, guest.value, guest.value + size.value);
}

} // namespace kennel::arch
