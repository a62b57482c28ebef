// SPDX-License-Identifier: Apache-2.0
//
// What happens when a guest touches a port, an address outside its RAM, or an MSR: ring a doorbell, ask the service,
// or nothing, because nobody claimed it. Row 3 of the request path.
// A table is plain data that is never changed while read: whoever binds changes a copy and publishes that. Looking up
// takes no lock, and for a port about a dozen instructions, since every request of a virtio device begins with one.
#pragma once
#include "hv/abi/hypercall.hpp"
#include <type_traits>

namespace kennel {

enum class TrapKind : u8 { doorbell = 1, intercept = 2 };

struct Trap {
    TrapKind kind;
    u8       width;      // doorbell: bytes of the write it was bound for
    u8       cpu;        // doorbell: which of the service's vCPUs ...
    u16      event;      // ... gets which event
};

class TrapTable {
public:
    static constexpr u32 capacity = 60;                 // ranges of each kind; the table fits a frame

    TrapTable();

    // Null: nobody claims it.
    Trap const* find_port(u16 port) const noexcept
    {
        u32 i = port_bucket_[port / bucket_ports];
        while (port_last_[i] < port)                    // ends at the sentinel, whose last is the last port there is
            i++;
        return port_first_[i] <= port ? &port_trap_[i] : nullptr;
    }
    Trap const* find_memory(u64 address) const noexcept;
    Trap const* find_msr(u32 index) const noexcept;

    // [first, first + count) -> trap. overlap: a part of it is bound; full; bad_argument: count is 0 or too large.
    abi::Status bind_port(u16 first, u32 count, Trap trap);
    abi::Status bind_memory(u64 first, u64 bytes, Trap trap);
    abi::Status bind_msr(u32 first, u64 count, Trap trap);

    // Takes the range back that was bound with this first. bad_argument: there is none.
    abi::Status unbind_port(u16 first);
    abi::Status unbind_memory(u64 first);
    abi::Status unbind_msr(u32 first);

private:
    static constexpr u32 bucket_ports = 64;
    static constexpr u32 buckets      = 0x10000 / bucket_ports;
    static constexpr u32 no_port      = 0x10000;

    void index_ports();

    // Ranges of one kind are columns, sorted and apart from each other: [first[i], last[i]], last included so that a
    // range may end where the numbers end. Ports have a sentinel behind the last range: first = no_port, last = 0xffff.
    u64  memory_first_[capacity], memory_last_[capacity];
    u32  msr_first_[capacity], msr_last_[capacity];
    u32  port_first_[capacity + 1];
    u16  port_last_[capacity + 1];
    Trap port_trap_[capacity + 1], memory_trap_[capacity], msr_trap_[capacity];
    u8   port_bucket_[buckets];                         // the first range that ends in this bucket or behind it
    u32  port_count_, memory_count_, msr_count_;
};

static_assert(sizeof(TrapTable) <= page_size && std::is_trivially_copyable_v<TrapTable>);

} // namespace kennel
