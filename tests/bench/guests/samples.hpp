// SPDX-License-Identifier: Apache-2.0
//
// How a measuring guest measures: TSC ticks of one operation, many times, the cost of looking at the clock taken off.
// Prints `BENCH name minimum median rounds mark`: between marks `mark` and `mark` + 1 an emulator that counts
// (tests/bench/counting) has seen all rounds, and nothing else.
#pragma once
#include "tests/bench/counting/marks.hpp"
#include "tests/machine/guest/processor.hpp"

namespace kennel::guest {

// In one piece, so that the compiler moves nothing of it to the other side of what is measured. Bochs adds to its clock at jumps
// only: without one right before it, RDTSC may be some instructions behind.
inline u64 clock_now()
{
    u64 value;
    asm volatile("jmp 1f; 1: rdtsc; shl $32, %%rdx; or %%rdx, %0" : "=a"(value) :: "rdx", "memory");
    return value;
}

class Samples {
public:
    static constexpr u32 rounds = 201;                     // as many as the cold accesses of primitives.cpp

    void begin() { count_ = 0; kennel_mark(mark_); }
    void add(u64 ticks)
    {
        if (count_ < rounds)
            ticks_[count_++] = ticks;
    }
    void end(char const* name, u64 overhead = 0);          // prints, and is ready for the next name
    u64  minimum() const;

    // What is cold is measured where the name says so.
    template<class Operation> void measure(char const* name, Operation&& operation)
    {
        for (u32 i = 0; i < 8; i++)
            operation();
        measure_each(name, rounds, [&](u32) { operation(); });
    }
    template<class Operation> void measure_each(char const* name, u32 count, Operation&& operation)
    {
        begin();
        for (u32 i = 0; i < count; i++) {
            u64 const start = clock_now();
            operation(i);
            add(clock_now() - start);
        }
        end(name, overhead_);
    }

    void learn_overhead();
    u64  overhead() const { return overhead_; }

private:
    u64 ticks_[rounds];
    u32 count_ = 0;
    u64 mark_ = 100, overhead_ = 0;           // smaller ones are the starting Linux's
};

} // namespace kennel::guest
