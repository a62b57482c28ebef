// SPDX-License-Identifier: Apache-2.0
//
// Events: pending bits in a page that a service's vCPU shares with hv, and waking it.
#pragma once
#include "hv/abi/pages.hpp"

namespace kennel {

struct Cpu;
struct Vcpu;

// Sets event `number` (below max_events) of a service's vCPU and wakes it, from any CPU.
// -> true: the bit was clear and the vCPU is waiting on this CPU: it should run now.
bool ring(Cpu& here, Vcpu& service, u32 number);
// Something is pending for it. A word the service may write; lying to itself costs it a turn and nothing else.
bool events_pending(Vcpu const& service);

} // namespace kennel
