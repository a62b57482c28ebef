// SPDX-License-Identifier: Apache-2.0
#include "tests/machine/guest/apic.hpp"
#include "tests/machine/guest/processor.hpp"
#include "tests/machine/guest/traps.hpp"
#include "tests/machine/guest/verdict.hpp"

namespace kennel::guest {

constinit char const* const title = "debug: registers hold, breakpoints hit, single steps stop behind instructions that exit";

namespace {
u32 steps;
u64 step_at[32], dr6;
u32 volatile watched;
}

void check(Verdict& verdict)
{
    on(vector::debug, [](Frame& frame) {
        step_at[steps++ & 31] = frame.rip;
        asm volatile("mov %%dr6, %0; mov %1, %%dr6" : "=&r"(dr6) : "r"(0xffff'0ff0ull));
        if (steps == 8)
            frame.rflags &= ~0x100ull;
    });
    u64 value = 0;
    asm volatile("mov %1, %%dr3; mov %%dr3, %0" : "=r"(value) : "r"(0x1234'5678ull));
    verdict.equal("DR3", value, 0x1234'5678);

    asm volatile("mov %0, %%dr0; mov %1, %%dr7" :: "r"(&watched), "r"(0x000d'0402ull));   // 4 bytes, writes
    watched = 1;
    asm volatile("mov %0, %%dr7" :: "r"(0x400ull));
    verdict.equal("a watched write stops", steps, 1);
    verdict.equal("and says which", dr6 & 15, 1);
    watched = 2;
    verdict.equal("switched off again", steps, 1);

    // And after others have run on this CPU.
    apic::enable();
    count_interrupts(0x40);
    wrmsr(apic::lvt_timer, apic::deadline_mode | 0x40);
    asm volatile("mov %0, %%dr7" :: "r"(0x000d'0402ull));
    for (u32 round = 1; round <= 20; round++) {
        wrmsr(apic::tsc_deadline, rdtsc() + 200'000);
        sti_hlt();
        watched = round;
        verdict.equal("a watched write stops after a sleep", steps, 1 + round);
    }

    // "General detect": the handler is entered with it off, or could not look.
    steps = 0;
    u64 dr7 = 0;
    asm volatile("mov %1, %%dr7; mov %%dr0, %%rax; mov %%dr7, %0" : "=r"(dr7) : "r"(0x2400ull) : "rax", "memory");
    verdict.equal("a guarded access stops once", steps, 1);
    verdict.equal("as DR6 says", dr6 & 0x2000, 0x2000);
    verdict.equal("and is guarded no more", dr7, 0x400);

    steps = 0;
    u64 behind_cpuid = 0;
    asm volatile("xor %%eax, %%eax; pushf; orl $0x100, (%%rsp); popf; nop; cpuid; 1: nop; nop; nop; nop; nop; nop; nop; nop; lea 1b(%%rip), %0"
                 : "=r"(behind_cpuid) :: "rax", "rbx", "rcx", "rdx", "memory", "cc");
    verdict.equal("single steps", steps, 8);
    bool found = false;
    for (u64 at : step_at)
        found |= at == behind_cpuid;
    verdict.that("one right behind CPUID", found);
    verdict.equal("as DR6 tells", dr6 & 0x4000, 0x4000);
}

} // namespace kennel::guest
