// SPDX-License-Identifier: Apache-2.0
//
// Measuring operations of Linux. Prints `REQUEST NAME-operation minimum median rounds operations-per-round interrupts mark`: TSC ticks of
// one round; between marks `mark` and `mark` + 1 an emulator that counts (counting/) has seen all rounds of it, and little else. Interrupts:
// of virtio devices, in all rounds.
#ifndef KENNEL_BENCH_MEASURE
#define KENNEL_BENCH_MEASURE

enum { most_rounds = 1001 };

void measure_as(char const* name, char const* first_mark);
void measure(char const* what, unsigned rounds, unsigned operations, void (*round)(unsigned number));

_Noreturn void fail(char const* what);               // says why, by errno

#endif
