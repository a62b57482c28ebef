// SPDX-License-Identifier: Apache-2.0
#include "tests/machine/guest/apic.hpp"
#include "tests/machine/guest/traps.hpp"
#include "tests/machine/guest/verdict.hpp"

namespace kennel::guest {

constinit char const* const title = "halt: the TSC deadline wakes it, once, and not too early";

void check(Verdict& verdict)
{
    constexpr u8 vector = 0x40;
    count_interrupts(vector);
    apic::enable();
    wrmsr(apic::lvt_timer, apic::deadline_mode | vector);
    for (u32 i = 1; i <= 20; i++) {
        u64 const deadline = rdtsc() + 50'000 * i;
        wrmsr(apic::tsc_deadline, deadline);
        verdict.equal("the deadline reads back", rdmsr(apic::tsc_deadline), deadline);
        while (counted(vector) < i)
            sti_hlt();
        cli();
        verdict.that("not too early", rdtsc() >= deadline);
        verdict.equal("it reads 0 then", rdmsr(apic::tsc_deadline), 0);
    }
    verdict.equal("interrupts", counted(vector), 20);
    wrmsr(apic::tsc_deadline, 1);                       // long past
    sti_hlt();
    verdict.equal("a deadline in the past", counted(vector), 21);
}

} // namespace kennel::guest
