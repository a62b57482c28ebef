// SPDX-License-Identifier: Apache-2.0
//
// See trap.hpp: keeping the columns sorted, and the index of the ports true.
#include "hv/trap.hpp"

namespace kennel {

using abi::Status;

namespace {

// The first range that ends at `number` or behind it; `count` when there is none.
template<class Number>
u32 search(Number const* last, u32 count, Number number)
{
    u32 from = 0;
    while (count > 0) {
        u32 const half = count / 2;
        bool const behind = last[from + half] < number;
        from = behind ? from + half + 1 : from;
        count = behind ? count - half - 1 : half;
    }
    return from;
}

template<class First, class Last>
Status insert(First* firsts, Last* lasts, Trap* traps, u32& count, First first, Last last, Trap trap)
{
    u32 const at = search(lasts, count, static_cast<Last>(first));
    if (at < count && firsts[at] <= last)
        return Status::overlap;
    if (count == TrapTable::capacity)
        return Status::full;
    for (u32 i = count; i > at; i--) {
        firsts[i] = firsts[i - 1];
        lasts[i]  = lasts[i - 1];
        traps[i]  = traps[i - 1];
    }
    firsts[at] = first;
    lasts[at]  = last;
    traps[at]  = trap;
    count++;
    return Status::ok;
}

template<class First, class Last>
Status remove(First* firsts, Last* lasts, Trap* traps, u32& count, First first)
{
    u32 const at = search(lasts, count, static_cast<Last>(first));
    if (at == count || firsts[at] != first)
        return Status::bad_argument;
    count--;
    for (u32 i = at; i < count; i++) {
        firsts[i] = firsts[i + 1];
        lasts[i]  = lasts[i + 1];
        traps[i]  = traps[i + 1];
    }
    return Status::ok;
}

} // namespace

// Value-initialised members would be enough but for the sentinel.
TrapTable::TrapTable()
    : memory_first_{}, memory_last_{}, msr_first_{}, msr_last_{}, port_first_{}, port_last_{}, port_trap_{},
      memory_trap_{}, msr_trap_{}, port_bucket_{}, port_count_{0}, memory_count_{0}, msr_count_{0}
{
    index_ports();
}

Trap const* TrapTable::find_memory(u64 address) const noexcept
{
    u32 const at = search(memory_last_, memory_count_, address);
    return at < memory_count_ && memory_first_[at] <= address ? &memory_trap_[at] : nullptr;
}

Trap const* TrapTable::find_msr(u32 index) const noexcept
{
    u32 const at = search(msr_last_, msr_count_, index);
    return at < msr_count_ && msr_first_[at] <= index ? &msr_trap_[at] : nullptr;
}

Status TrapTable::bind_port(u16 first, u32 count, Trap trap)
{
    if (count == 0 || count > no_port - first)
        return Status::bad_argument;
    Status const status = insert(port_first_, port_last_, port_trap_, port_count_, u32{first}, static_cast<u16>(first + count - 1), trap);
    index_ports();
    return status;
}

Status TrapTable::bind_memory(u64 first, u64 bytes, Trap trap)
{
    if (bytes == 0 || bytes - 1 > ~first)
        return Status::bad_argument;
    return insert(memory_first_, memory_last_, memory_trap_, memory_count_, first, first + (bytes - 1), trap);
}

Status TrapTable::bind_msr(u32 first, u64 count, Trap trap)
{
    if (count == 0 || count - 1 > ~first)
        return Status::bad_argument;
    return insert(msr_first_, msr_last_, msr_trap_, msr_count_, first, static_cast<u32>(first + (count - 1)), trap);
}

Status TrapTable::unbind_port(u16 first)
{
    Status const status = remove(port_first_, port_last_, port_trap_, port_count_, u32{first});
    index_ports();
    return status;
}

Status TrapTable::unbind_memory(u64 first) { return remove(memory_first_, memory_last_, memory_trap_, memory_count_, first); }
Status TrapTable::unbind_msr(u32 first) { return remove(msr_first_, msr_last_, msr_trap_, msr_count_, first); }

void TrapTable::index_ports()
{
    port_first_[port_count_] = no_port;
    port_last_[port_count_]  = 0xffff;
    u32 range = 0;
    for (u32 bucket = 0; bucket < buckets; bucket++) {
        while (port_last_[range] < bucket * bucket_ports)
            range++;
        port_bucket_[bucket] = static_cast<u8>(range);
    }
}

} // namespace kennel
