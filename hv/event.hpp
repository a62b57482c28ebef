// SPDX-License-Identifier: Apache-2.0
//
// Events: pending bits in a page that a service's vCPU shares with hv, and waking it.
#pragma once
#include "hv/abi/pages.hpp"
#include "hv/exit.hpp"

namespace kennel {

struct Cpu;
struct Vcpu;

// Sets event `number` (below max_events) of a service's vCPU and wakes it, from any CPU.
void ring(Cpu& here, Vcpu& service, u32 number);
// The same for a doorbell of the guest that runs here, on its service's vCPU of this CPU: that one runs at once, on the guest's turn.
// While the service says in `busy` that it has work of this event in flight, the guest goes on: the service runs when it is its turn
// anyway, at the latest gather_us later.
Action ring_here(Cpu& here, Vcpu& service, u32 number);
inline constexpr u64 gather_us = 50;
// The bounded delay is over, or nobody would be kept from anything: services with events run.
void end_gathering(Cpu& cpu);
// A service's vCPU of this CPU that waits: it runs next.
void wake_service(Vcpu& service);
// Something is pending for it. A word the service may write; lying to itself costs it a turn and nothing else.
bool events_pending(Vcpu const& service);

} // namespace kennel
