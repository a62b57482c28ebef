// SPDX-License-Identifier: Apache-2.0
#include "tests/machine/guest/apic.hpp"
#include "tests/machine/guest/traps.hpp"
#include "tests/machine/guest/verdict.hpp"

namespace kennel::guest {

constinit char const* const title = "interrupts: held while off, then by priority; STI and MOV SS hold them one instruction longer";

namespace {
u8  order[8];
u32 came;
u64 came_at;

void note(Frame& frame)
{
    order[came++ & 7] = static_cast<u8>(frame.vector);
    came_at = frame.rip;
    wrmsr(apic::end_of_interrupt, 0);
}
}

void check(Verdict& verdict)
{
    apic::enable();
    for (int vector : {0x41, 0x52, 0x5f, 0xe0})
        on(static_cast<u8>(vector), note);
    for (int vector : {0x52, 0x41, 0xe0, 0x5f})
        wrmsr(apic::self, static_cast<u64>(vector));
    (void)cpuid(0);
    verdict.equal("none while off", came, 0);
    sti_nop_cli();
    verdict.equal("all, once", came, 4);
    verdict.equal("highest first", u32{order[0]} << 24 | u32{order[1]} << 16 | u32{order[2]} << 8 | order[3], 0xe05f'5241);

    u64 behind = 0;
    wrmsr(apic::self, 0x41);
    // An instruction that exits, in the shadow of STI: the interrupt comes behind it, not before.
    asm volatile("xor %%eax, %%eax; sti; cpuid; 1: nop; cli; lea 1b(%%rip), %0" : "=r"(behind) :: "rax", "rbx", "rcx", "rdx", "memory");
    verdict.equal("behind STI and an exit", came_at, behind);
    wrmsr(apic::self, 0x41);
    asm volatile("sti; nop; 1: nop; cli; lea 1b(%%rip), %0" : "=r"(behind) :: "memory");
    verdict.equal("behind STI and its shadow", came_at, behind);
    verdict.equal("all came", came, 6);
}

} // namespace kennel::guest
