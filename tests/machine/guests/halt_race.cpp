// SPDX-License-Identifier: Apache-2.0
#include "tests/machine/guest/apic.hpp"
#include "tests/machine/guest/traps.hpp"
#include "tests/machine/guest/verdict.hpp"

extern "C" char const race_hlt[], race_behind[];

namespace kennel::guest {

constinit char const* const title = "halt: a timer that expires around STI; HLT never comes between the two, and wakes";

namespace {

u32 taken, before_hlt;

// Between STI and HLT nothing may come: the sleep behind it would be without end. It is counted and ended here.
void on_timer(Frame& frame)
{
    taken++;
    if (frame.rip == reinterpret_cast<u64>(race_hlt)) {
        before_hlt++;
        frame.rip = reinterpret_cast<u64>(race_behind);
    }
    wrmsr(apic::end_of_interrupt, 0);
}

} // namespace

void check(Verdict& verdict)
{
    constexpr u8 vector = 0x40;
    constexpr u32 times = 10'000;
    on(vector, on_timer);
    apic::enable();
    wrmsr(apic::lvt_timer, apic::deadline_mode | vector);
    for (u32 i = 0; i < times; i++) {
        wrmsr(apic::tsc_deadline, i % 2 ? 1 : rdtsc() + i % 512);
        asm volatile("sti\n .globl race_hlt\n race_hlt: hlt\n .globl race_behind\n race_behind: cli" ::: "memory");
    }
    verdict.equal("interrupts", taken, times);
    verdict.equal("between STI and HLT", before_hlt, 0);
}

} // namespace kennel::guest
