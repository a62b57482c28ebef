// SPDX-License-Identifier: Apache-2.0
#include "tests/machine/guest/apic.hpp"
#include "tests/machine/guest/traps.hpp"
#include "tests/machine/guest/verdict.hpp"

namespace kennel::guest {

constinit char const* const title = "ipi: to itself by every way, nested by priority, illegal vectors in the error register";

namespace {
u32 inner_before_outer_ended;

void outer(Frame&)
{
    wrmsr(apic::self, 0x45);                            // same class: waits
    wrmsr(apic::self, 0x61);                            // higher: interrupts
    sti_nop_cli();
    inner_before_outer_ended = counted(0x61) << 8 | counted(0x45);
    wrmsr(apic::end_of_interrupt, 0);
}
}

void check(Verdict& verdict)
{
    apic::enable();
    for (int vector : {0x30, 0x45, 0x61})
        count_interrupts(static_cast<u8>(vector));
    wrmsr(apic::self, 0x30);
    sti_nop_cli();
    wrmsr(apic::command, 0x4'0030);                     // shorthand self
    sti_nop_cli();
    wrmsr(apic::command, rdmsr(apic::id) << 32 | 0x30); // physical
    sti_nop_cli();
    wrmsr(apic::command, 0x1'0000'0830);                // logical: cluster 0, bit 0 has destination 1
    sti_nop_cli();
    wrmsr(apic::command, 0x8'0030);                     // all, itself included
    sti_nop_cli();
    wrmsr(apic::command, 0xffff'ffff'0000'0030);        // broadcast
    sti_nop_cli();
    verdict.equal("by six ways", counted(0x30), 6);
    wrmsr(apic::command, 0xc'0030);                     // all others
    wrmsr(apic::command, 0x77'0000'0030);               // nobody
    sti_nop_cli();
    verdict.equal("others are not it", counted(0x30), 6);

    on(0x40, outer);
    wrmsr(apic::self, 0x40);
    sti_nop_cli();
    verdict.equal("the higher nested, the equal waited", inner_before_outer_ended, 0x100);
    verdict.equal("the equal came then", counted(0x45), 1);
    verdict.equal("nothing is left in service", rdmsr(apic::in_service + 2), 0);

    wrmsr(apic::self, 3);
    wrmsr(apic::error_status, 0);
    verdict.that("an illegal vector is reported", rdmsr(apic::error_status) & 0x20);
    verdict.equal("a reserved bit", attempt([] { wrmsr(apic::self, 0x130); }).vector, vector::general);
    verdict.equal("reading a write-only register", attempt([] { (void)rdmsr(apic::self); }).vector, vector::general);
    verdict.equal("a register that is not there", attempt([] { (void)rdmsr(0x80c); }).vector, vector::general);
}

} // namespace kennel::guest
