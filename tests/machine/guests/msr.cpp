// SPDX-License-Identifier: Apache-2.0
#include "tests/machine/guest/processor.hpp"
#include "tests/machine/guest/traps.hpp"
#include "tests/machine/guest/verdict.hpp"

namespace kennel::guest {

constinit char const* const title = "msr: the allowed ones hold a value, all others give #GP";

void check(Verdict& verdict)
{
    constexpr u32 kernel_gs_base = 0xc000'0102, star = 0xc000'0081, lstar = 0xc000'0082, sfmask = 0xc000'0084, sysenter_eip = 0x176, pat = 0x277, tsc_adjust = 0x3b;
    for (u32 index : {kernel_gs_base, star, lstar, sfmask, sysenter_eip}) {
        u64 const before = rdmsr(index);
        wrmsr(index, 0x1234'5000);
        (void)cpuid(0);
        verdict.equal("an MSR of its own", rdmsr(index), 0x1234'5000);
        wrmsr(index, before);
    }
    verdict.equal("PAT after reset", rdmsr(pat), 0x0007'0406'0007'0406);
    verdict.that("TSC_ADJUST is there", attempt([] { (void)rdmsr(tsc_adjust); }).vector == no_fault);
    verdict.that("long mode", rdmsr(0xc000'0080) & 0x400);
    verdict.that("enabled, x2APIC, boot processor", (rdmsr(0x1b) & 0xd00) == 0xd00);
    // VMX, debug store, PMU, XSS, PT, SPEC_CTRL unless offered, a number nobody has.
    for (u32 index : {0x480u, 0x48bu, 0x600u, 0x38fu, 0xc1u, 0xda0u, 0x570u, 0xdead'beefu, 0xc001'0114u, 0x9au}) {
        Fault fault = attempt([&] { (void)rdmsr(index); });
        verdict.equal("a denied read is #GP", fault.vector == no_fault ? index : fault.vector, vector::general);
        verdict.equal("its error code", fault.error, 0);
        fault = attempt([&] { wrmsr(index, 0); });
        verdict.equal("a denied write is #GP", fault.vector == no_fault ? index : fault.vector, vector::general);
    }
    verdict.equal("PAT with a reserved type", attempt([] { wrmsr(pat, 2); }).vector, vector::general);
    verdict.equal("EFER with a reserved bit", attempt([] { wrmsr(0xc000'0080, 0x10'0000'0500); }).vector, vector::general);
    verdict.equal("LSTAR not canonical", attempt([] { wrmsr(lstar, 0x8000'0000'0000'0000); }).vector, vector::general);
}

} // namespace kennel::guest
