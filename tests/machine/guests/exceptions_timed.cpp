// SPDX-License-Identifier: Apache-2.0
#include "tests/machine/guest/apic.hpp"
#include "tests/machine/guest/traps.hpp"
#include "tests/machine/guest/verdict.hpp"

namespace kennel::guest {

constinit char const* const title = "exceptions under a quick timer: each is taken once, and returns to where it came from";

namespace {

constexpr u8 timer = 0x40;
u32 undefined;

void arm()
{
    // Between 300 and 811 ticks, so that the timer meets every instruction around an exception.
    u64 const now = rdtsc();
    wrmsr(apic::tsc_deadline, now + 300 + (now >> 3) % 512);
}

void on_timer(Frame&)
{
    wrmsr(apic::end_of_interrupt, 0);
    arm();
}

void on_undefined(Frame& frame)
{
    constexpr u64 length_of_ud2 = 2;
    undefined++;
    frame.rip += length_of_ud2;
}

} // namespace

void check(Verdict& verdict)
{
    constexpr u32 times = 20'000;
    on(timer, on_timer);
    on(vector::invalid_opcode, on_undefined);
    apic::enable();
    wrmsr(apic::lvt_timer, apic::deadline_mode | timer);
    arm();
    u32 displaced = 0;
    for (u32 i = 0; i < times; i++) {
        u64 before, after;
        asm volatile("sti; mov %%rsp, %0; ud2; mov %%rsp, %1; cli; mov %0, %%rsp" : "=&r"(before), "=&r"(after) :: "memory");
        displaced += before != after;
    }
    wrmsr(apic::tsc_deadline, 0);
    verdict.equal("exceptions taken", undefined, times);
    verdict.equal("returns with another stack", displaced, 0);
}

} // namespace kennel::guest
