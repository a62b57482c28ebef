// SPDX-License-Identifier: Apache-2.0
#include "tests/machine/guest/apic.hpp"
#include "tests/machine/guest/traps.hpp"
#include "tests/machine/guest/verdict.hpp"

namespace kennel::guest {

constinit char const* const title = "apic timer: one shot, periodic, divided, masked, at the pace of the TSC";

void check(Verdict& verdict)
{
    constexpr u8 vector = 0x40;
    constexpr u64 ticks = 200'000;
    count_interrupts(vector);
    apic::enable();
    wrmsr(apic::divide, apic::divide_by_1);
    wrmsr(apic::lvt_timer, vector);
    u64 const start = rdtsc();
    wrmsr(apic::initial_count, ticks);
    u64 const first = rdmsr(apic::current_count), second = rdmsr(apic::current_count);
    verdict.that("it counts down", first <= ticks && second < first);
    while (counted(vector) < 1)
        sti_hlt();
    cli();
    verdict.that("one shot, not too early", rdtsc() - start >= ticks);
    verdict.equal("it stays at 0", rdmsr(apic::current_count), 0);

    wrmsr(apic::lvt_timer, apic::periodic | vector);
    u64 const begin = rdtsc();
    wrmsr(apic::initial_count, ticks);
    while (counted(vector) < 6)
        sti_hlt();
    cli();
    u64 const took = rdtsc() - begin;
    verdict.that("five periods, not too early", took >= 5 * ticks);
    wrmsr(apic::initial_count, 0);
    sti_nop_cli();
    u32 const stopped_at = counted(vector);

    wrmsr(apic::lvt_timer, apic::masked | vector);
    wrmsr(apic::divide, 1);                             // by 4
    u64 const slow = rdtsc();
    wrmsr(apic::initial_count, ticks / 4);
    while (rdmsr(apic::current_count) != 0)
        ;
    verdict.that("divided by 4", rdtsc() - slow >= ticks - 4);
    sti_nop_cli();
    verdict.equal("masked and stopped: no more", counted(vector), stopped_at);
}

} // namespace kennel::guest
