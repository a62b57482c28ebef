// SPDX-License-Identifier: Apache-2.0
//
// Deadlines of everybody on a CPU, multiplexed on its one host timer. Setting a deadline costs a comparison, and a
// timer write only when it is the earliest; the timer's own interrupt looks at all of them.
#pragma once
#include "hv/lib/types.hpp"

namespace kennel {

struct Cpu;

// The host timer shall not come later than `deadline` (TSC; ~0: no wish). It may come earlier than anybody needs.
void watch_deadline(Cpu& cpu, u64 deadline);
// The host timer came.
void timer_interrupt(Cpu& cpu);

} // namespace kennel
