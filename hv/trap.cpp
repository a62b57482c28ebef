// SPDX-License-Identifier: Apache-2.0
//
// See trap.hpp: keeping the columns sorted, and the index of the ports true.
#include "hv/trap.hpp"

namespace kennel {

using abi::RangeKind, abi::Status;

// The first range that ends at `number` or behind it; `count` when there is none.
template<class Number> u32 TrapTable::Ranges<Number>::search(u64 number) const noexcept
{
    u32 from = 0;
    for (u32 left = count; left > 0;) {
        u32 const half = left / 2;
        bool const behind = last[from + half] < number;
        from = behind ? from + half + 1 : from;
        left = behind ? left - half - 1 : half;
    }
    return from;
}

template<class Number> Trap const* TrapTable::Ranges<Number>::find(u64 number) const noexcept
{
    u32 const at = search(number);
    return at < count && first[at] <= number ? &trap[at] : nullptr;
}

template<class Number> Status TrapTable::Ranges<Number>::insert(u64 from, u64 to, Trap what)
{
    u32 const at = search(from);
    if (at < count && first[at] <= to)
        return Status::overlap;
    if (count == capacity)
        return Status::full;
    for (u32 i = count++; i > at; i--)
        first[i] = first[i - 1], last[i] = last[i - 1], trap[i] = trap[i - 1];
    first[at] = static_cast<Number>(from), last[at] = static_cast<Number>(to), trap[at] = what;
    return Status::ok;
}

template<class Number> Status TrapTable::Ranges<Number>::remove(u64 from)
{
    u32 const at = search(from);
    if (at == count || first[at] != from)
        return Status::bad_argument;
    count--;
    for (u32 i = at; i < count; i++)
        first[i] = first[i + 1], last[i] = last[i + 1], trap[i] = trap[i + 1];
    return Status::ok;
}

template<class Work> Status TrapTable::change(RangeKind kind, Work&& work)
{
    switch (kind) {
    case RangeKind::port: {
        Status const status = work(ports_);
        index_ports();
        return status;
    }
    case RangeKind::memory: return work(memory_);
    case RangeKind::msr:    return work(msrs_);
    }
    return Status::bad_argument;
}

Status TrapTable::bind(RangeKind kind, u64 first, u64 count, Trap trap)
{
    u64 const last = kind == RangeKind::port ? 0xffff : kind == RangeKind::msr ? 0xffff'ffff : ~0ull;
    if (count == 0 || first > last || count - 1 > last - first)
        return Status::bad_argument;
    return change(kind, [&](auto& ranges) { return ranges.insert(first, first + (count - 1), trap); });
}

Status TrapTable::unbind(RangeKind kind, u64 first)
{
    return change(kind, [&](auto& ranges) { return ranges.remove(first); });
}

void TrapTable::index_ports()
{
    u32 rows = 0, next = 0;                             // the first port that is in no row yet
    for (u32 i = 0; next <= 0xffff; i++) {
        if (u32 const first = i < ports_.count ? ports_.first[i] : 0x10000; first > next)
            port_last_[rows] = static_cast<u16>(first - 1), port_trap_[rows++] = {};
        if (i == ports_.count)
            break;
        port_last_[rows] = ports_.last[i], port_trap_[rows++] = ports_.trap[i];
        next = ports_.last[i] + 1u;
    }
    u32 row = 0;
    for (u32 bucket = 0; bucket < buckets; bucket++) {
        while (port_last_[row] < bucket * bucket_ports)
            row++;
        port_bucket_[bucket] = static_cast<u8>(row);
    }
}

// Defined here, used by the header's inline look-ups.
template struct TrapTable::Ranges<u32>;
template struct TrapTable::Ranges<u64>;

} // namespace kennel
