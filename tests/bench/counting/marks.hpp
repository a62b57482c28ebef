// SPDX-License-Identifier: Apache-2.0
//
// Marks: a prefetch of an address that says "here begins number N". It changes nothing and exits from nowhere, in a guest, in
// user mode, in C or C++; Bochs with the hooks of this folder writes down what it has counted so far. Elsewhere nothing happens.
#ifndef KENNEL_BENCH_MARKS
#define KENNEL_BENCH_MARKS

#define KENNEL_MARK_BASE  0x4b4e4c0000000000ull   // not canonical: no program prefetches such an address by chance
#define KENNEL_MARK_BITS  40                      // below it: the number
#define KENNEL_MARK_START (1ull << 32)            // from here on the emulator's own: partition number .. has started

static inline void kennel_mark(unsigned long long number)
{
    __asm__ volatile("prefetcht0 (%0)" :: "r"(KENNEL_MARK_BASE | number) : "memory");
}

#endif
