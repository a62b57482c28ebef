// SPDX-License-Identifier: Apache-2.0
#include "tests/machine/guest/processor.hpp"
#include "tests/machine/guest/verdict.hpp"

namespace kennel::guest {

constinit char const* const title = "cpuid: who we are, what is there and what is not";

void check(Verdict& verdict)
{
    CpuidWords const one = cpuid(1);
    verdict.that("a hypervisor is present", one.ecx >> 31 & 1);
    verdict.that("x2APIC", one.ecx >> 21 & 1);
    verdict.that("TSC deadline", one.ecx >> 24 & 1);
    verdict.that("no VMX", !(one.ecx >> 5 & 1));
    verdict.that("no MONITOR", !(one.ecx >> 3 & 1));
    verdict.equal("APIC id", one.ebx >> 24, 0);
    verdict.that("our own leaf", cpuid(0x4000'0000).eax >= 0x4000'0001);
    CpuidWords const kvm = cpuid(0x4000'0100);
    verdict.equal("KVM's signature", static_cast<u64>(kvm.ecx) << 32 | kvm.ebx, 0x564b'4d56'4b4d'564b);
    verdict.that("clock source", cpuid(0x4000'0101).eax >> 3 & 1);
    CpuidWords const clock = cpuid(0x15);
    verdict.that("the TSC's frequency is told", clock.eax != 0 && clock.ebx != 0 && clock.ecx != 0);
    verdict.that("ARAT", cpuid(6).eax >> 2 & 1);
    verdict.equal("nothing beyond the last leaf", cpuid(0x4000'00ff).eax, 0);
    u64 rax = ~0ull << 32, rbx = ~0ull, rcx = ~0ull << 32, rdx = ~0ull;
    asm volatile("cpuid" : "+a"(rax), "+b"(rbx), "+c"(rcx), "+d"(rdx));
    verdict.equal("upper halves are cleared", (rax | rbx | rcx | rdx) >> 32, 0);
}

} // namespace kennel::guest
