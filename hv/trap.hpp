// SPDX-License-Identifier: Apache-2.0
//
// What happens when a guest touches a port, an address outside its RAM, or an MSR: ring a doorbell, ask the service,
// or nothing, because nobody claimed it. Row 3 of the request path.
// A table is plain data that is never changed while read: whoever binds changes a copy and publishes that. Looking up
// takes no lock, and for a port ten instructions, since every request of a virtio device begins with one.
#pragma once
#include "hv/abi/hypercall.hpp"
#include <type_traits>

namespace kennel {

enum class TrapKind : u8 { nobody = 0, doorbell = 1, intercept = 2 };

struct Trap {
    TrapKind kind;
    u8       cpu;        // doorbell: which of the service's vCPUs ...
    u16      event;      // ... gets which event
};

class TrapTable {
public:
    static constexpr u32 capacity = 56;                 // ranges of each kind; the table fits a frame

    TrapTable() { index_ports(); }

    Trap const& at_port(u16 port) const noexcept
    {
        u32 row = port_bucket_[port / bucket_ports];
        if (port_last_[row] < port) [[unlikely]]
            while (port_last_[++row] < port) {}         // the last row ends at the last port there is
        return port_trap_[row];
    }
    // Null: nobody claims it.
    Trap const* find_port(u16 port) const noexcept { return at_port(port).kind == TrapKind::nobody ? nullptr : &at_port(port); }
    Trap const* find_memory(u64 address) const noexcept { return memory_.find(address); }
    Trap const* find_msr(u32 index) const noexcept { return msrs_.find(index); }

    // [first, first + count) -> trap. overlap: a part of it is bound; full; bad_argument: no such kind or range.
    abi::Status bind(abi::RangeKind kind, u64 first, u64 count, Trap trap);
    // Takes the range back that was bound with this first. bad_argument: there is none.
    abi::Status unbind(abi::RangeKind kind, u64 first);

private:
    static constexpr u32 bucket_ports = 64;
    static constexpr u32 buckets      = 0x10000 / bucket_ports;
    static constexpr u32 most_rows    = 2 * capacity + 1;

    // Ranges of one kind are columns, sorted and apart from each other: [first[i], last[i]], last included so that a
    // range may end where the numbers end.
    template<class Number> struct Ranges {
        Number first[capacity] = {}, last[capacity] = {};
        Trap   trap[capacity] = {};
        u32    count = 0;

        u32 search(u64 number) const noexcept;
        Trap const* find(u64 number) const noexcept;
        abi::Status insert(u64 from, u64 to, Trap what);
        abi::Status remove(u64 from);
    };

    template<class Work> abi::Status change(abi::RangeKind kind, Work&& work);
    void index_ports();

    Ranges<u16> ports_;
    Ranges<u32> msrs_;
    Ranges<u64> memory_;
    // The same ports once more, for looking up: rows that end at port_last_ and begin behind the row before; every port is in one.
    Trap port_trap_[most_rows];
    u16  port_last_[most_rows];
    u8   port_bucket_[buckets];                         // the first row that ends in this bucket or behind it
};

static_assert(sizeof(TrapTable) <= page_size && std::is_trivially_copyable_v<TrapTable>);

} // namespace kennel
