// SPDX-License-Identifier: Apache-2.0
#include "tests/machine/guest/apic.hpp"
#include "tests/machine/guest/traps.hpp"
#include "tests/machine/guest/verdict.hpp"

namespace kennel::guest {

constinit char const* const title = "floating point: vector registers and XCR0 survive exits, sleep and other guests";

void check(Verdict& verdict)
{
    constexpr u8 vector = 0x40;
    count_interrupts(vector);
    apic::enable();
    wrmsr(apic::lvt_timer, apic::deadline_mode | vector);
    write_cr0((read_cr0() & ~0xcull) | 2);              // no EM, no TS, MP
    write_cr4(read_cr4() | 1u << 9 | 1u << 10);
    bool const xsave = cpuid(1).ecx >> 26 & 1;
    if (xsave) {
        write_cr4(read_cr4() | 1u << 18);
        verdict.that("OSXSAVE follows CR4", cpuid(1).ecx >> 27 & 1);
        asm volatile("xsetbv" :: "c"(0), "a"(3), "d"(0));
        verdict.equal("XCR0 without x87", attempt([] { asm volatile("xsetbv" :: "c"(0), "a"(2), "d"(0)); }).vector, vector::general);
        verdict.equal("XCR0 with a bit nobody has", attempt([] { asm volatile("xsetbv" :: "c"(0), "a"(3), "d"(0x4000'0000)); }).vector, vector::general);
        verdict.equal("XCR1", attempt([] { asm volatile("xsetbv" :: "c"(1), "a"(3), "d"(0)); }).vector, vector::general);
    }
    u64 const mine = rdtsc() | 1;                       // another value in every guest
    asm volatile("movq %0, %%xmm0; movq %1, %%xmm15; fldpi" :: "r"(mine), "r"(~mine));
    for (u32 i = 0; i < 30; i++) {
        wrmsr(apic::tsc_deadline, rdtsc() + 100'000);
        sti_hlt();
        cli();
        u64 low = 0, high = 0;
        asm volatile("movq %%xmm0, %0; movq %%xmm15, %1" : "=r"(low), "=r"(high));
        verdict.equal("XMM0", low, mine);
        verdict.equal("XMM15", high, ~mine);
        u32 eax = 3;
        if (xsave)
            asm volatile("xgetbv" : "=a"(eax) : "c"(0) : "rdx");
        verdict.equal("XCR0", eax, 3);
    }
    u64 pi = 0;
    asm volatile("fstpl %0" : "=m"(pi));
    verdict.equal("the x87 stack", pi, 0x4009'21fb'5444'2d18);
}

} // namespace kennel::guest
