// SPDX-License-Identifier: Apache-2.0
//
// The service's side of hv/abi/hypercall.hpp: one typed wrapper for each call it makes. hypercall() itself is one
// instruction in hypercalls.cpp (inlined when linking); host tests bring their own, and so see every call.
#pragma once
#include "hv/abi/hypercall.hpp"
#include "hv/abi/pages.hpp"

namespace kennel::service {

using abi::Status;

struct Answer {
    Status status;
    u64    first, second;      // rdi, rsi
};

Answer hypercall(abi::Call call, u64 rdi = 0, u64 rsi = 0, u64 rdx = 0, u64 r8 = 0, u64 r9 = 0);

// -> first: badge of the vCPU with an intercept, 0: only events. With a partition: it gets a message before, or the call is refused.
inline Answer wait(u64 partition = 0, u64 address = 0, u64 data = 0) { return hypercall(abi::Call::wait, partition, address, data); }
inline Answer reply_and_wait(u64 vcpu) { return hypercall(abi::Call::reply_and_wait, vcpu); }
inline Status reply(u64 vcpu) { return hypercall(abi::Call::reply, vcpu).status; }

// -> first: handle.
inline Answer partition_create(u64 frames) { return hypercall(abi::Call::partition_create, frames); }
inline Status partition_destroy(u64 partition) { return hypercall(abi::Call::partition_destroy, partition).status; }

// Guests' memory is write-back. RAM: everything is allowed; what is shared: all but writing.
inline constexpr u64 ram_rights = 7, shared_rights = static_cast<u64>(abi::MapRights::read) | static_cast<u64>(abi::MapRights::execute);
inline Status memory_map(u64 partition, u64 guest, u64 host, u64 bytes, u64 rights)
{
    return hypercall(abi::Call::memory_map, partition, guest, host, bytes, rights | static_cast<u64>(abi::MemoryType::write_back) << 8).status;
}
inline Status map_ram(u64 partition, u64 guest, u64 host, u64 bytes) { return memory_map(partition, guest, host, bytes, ram_rights); }
// No CPU has a translation left when it returns.
inline Status memory_unmap(u64 partition, u64 guest, u64 bytes) { return hypercall(abi::Call::memory_unmap, partition, guest, 0, bytes).status; }

// -> first: handle, second: GPA of the intercept page.
struct VcpuRecipe { u64 partition, cpu, badge, weight, apic_id; };
inline Answer vcpu_create(VcpuRecipe const& recipe)
{
    return hypercall(abi::Call::vcpu_create, recipe.partition, recipe.cpu, recipe.badge, recipe.weight, recipe.apic_id);
}
inline Status vcpu_start(u64 vcpu) { return hypercall(abi::Call::vcpu_start, vcpu).status; }
// Unless it waits for an answer, its next intercept is `stopped`.
inline Status vcpu_stop(u64 vcpu) { return hypercall(abi::Call::vcpu_stop, vcpu).status; }
inline Status vcpu_state_get(u64 vcpu) { return hypercall(abi::Call::vcpu_state_get, vcpu).status; }
inline Status vcpu_state_set(u64 vcpu, bool reset_apic) { return hypercall(abi::Call::vcpu_state_set, vcpu, reset_apic).status; }

inline Status intercept_bind(u64 partition, abi::RangeKind kind, u64 first, u64 count)
{
    return hypercall(abi::Call::intercept_bind, partition, static_cast<u64>(kind), first, count).status;
}

// A port that rings `event` of our vCPU `cpu` when the guest writes `width` bytes to it.
inline Status doorbell_bind(u64 partition, u16 port, u64 width, u64 event, u64 cpu)
{
    return hypercall(abi::Call::doorbell_bind, partition, port, width, event, cpu).status;
}

// An ISA line of the machine -> an event of the service's vCPU `cpu`. -> first: handle.
inline Answer interrupt_bind_isa(u64 line, u64 event, u64 cpu)
{
    return hypercall(abi::Call::interrupt_bind, 0, line, event, cpu, static_cast<u64>(abi::LineMode::as_isa));
}
// One that a device of PCI holds down until it was served: interrupt_ack() lets it arrive again.
inline Answer interrupt_bind_level(u64 line, u64 event, u64 cpu)
{
    return hypercall(abi::Call::interrupt_bind, 0, line, event, cpu, static_cast<u64>(abi::LineMode::level_low));
}
inline Status interrupt_ack(u64 interrupt) { return hypercall(abi::Call::interrupt_ack, interrupt).status; }
inline Status interrupt_raise(u64 partition, u64 address, u64 data) { return hypercall(abi::Call::interrupt_raise, partition, address, data).status; }
inline Status event_raise(u64 cpu, u64 event) { return hypercall(abi::Call::event_raise, cpu, event).status; }
inline Status clock(u64 deadline, u64 event) { return hypercall(abi::Call::clock, deadline, event).status; }

enum class LogKind : u64 { text = 0, framed = 1 };
inline Status log(u64 bytes, LogKind kind) { return hypercall(abi::Call::log, bytes, static_cast<u64>(kind)).status; }
// Nothing left to do: the last service to say so switches the machine off.
inline Status machine_power_off(bool failed) { return hypercall(abi::Call::machine_power, 0, failed).status; }

} // namespace kennel::service
