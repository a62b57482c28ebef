// SPDX-License-Identifier: Apache-2.0
//
// Which vCPU runs next on a CPU. Services first: they run until they wait. Then guests in turn: each has a slice of
// time by its weight, and everything done for it, its service's work included, comes out of that slice.
#pragma once
#include "hv/exit.hpp"
#include "hv/lib/types.hpp"

namespace kennel {

struct Cpu;
struct Vcpu;

inline constexpr u64 slice_ms = 5;       // of a guest with weight 100
inline constexpr u64 watchdog_ms = 5;    // no guest runs longer without hv looking at what is pending

void schedule(Cpu& cpu);                 // sets cpu.current; sleeps while nothing is runnable
void make_runnable(Vcpu& vcpu);          // a guest's vCPU, on its own CPU; status becomes runnable
void serve_inbox(Cpu& cpu);              // what other CPUs asked of its vCPUs
void take_off(Vcpu& vcpu);               // status is no longer runnable: out of the queue

} // namespace kennel
