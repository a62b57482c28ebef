// SPDX-License-Identifier: Apache-2.0
//
// One of two guests that never stop computing, on one processor: each notes when it was interrupted and when it went on.
// The end of the one's turn and the beginning of the other's are what a partition switch takes (tests/bench/counts).
// Prints `TURN last-tick first-tick` for each gap, both from the same clock.
#include "tests/machine/guest/processor.hpp"
#include "tests/machine/guest/verdict.hpp"

namespace kennel::guest {

constinit char const* const title = "turns";

namespace {

constexpr u32 turns = 10;
constexpr u64 longest_pass = 60;                               // instructions of one pass of the loop below, or fewer

struct Gap { u64 last, first; } gaps[turns];

void print(char const* name, u64 a, u64 b)
{
    char line[64];
    char* at = line;
    for (; *name; name++)
        *at++ = *name;
    for (u64 value : {a, b}) {
        *at++ = ' ';
        char digits[20];
        u32 count = 0;
        do
            digits[count++] = static_cast<char>('0' + value % 10);
        while (value /= 10);
        while (count)
            *at++ = digits[--count];
    }
    *at = 0;
    say(line);
}

} // namespace

void check(Verdict&)
{
    sti();                                                     // nothing will come, but Bochs forgets its interrupts where this is clear
    u64 last = rdtsc();
    for (u32 i = 0; i < turns;) {
        u64 const now = rdtsc();
        if (now - last > longest_pass)
            gaps[i++] = {last, now};
        last = now;
    }
    for (Gap const& gap : gaps)
        print("TURN", gap.last, gap.first);
    power_off();
}

} // namespace kennel::guest
