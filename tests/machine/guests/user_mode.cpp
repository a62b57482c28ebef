// SPDX-License-Identifier: Apache-2.0
#include "tests/machine/guest/processor.hpp"
#include "tests/machine/guest/traps.hpp"
#include "tests/machine/guest/verdict.hpp"

namespace kennel::guest {

constinit char const* const title = "user mode: what needs CPL 0 faults before it is anybody's exit";

void check(Verdict& verdict)
{
    verdict.equal("it runs", attempt_as_user([] {}).vector, back_from_user);
    verdict.equal("CPUID works", attempt_as_user([] { (void)cpuid(0); }).vector, back_from_user);
    verdict.equal("HLT", attempt_as_user([] { asm volatile("hlt"); }).vector, vector::general);
    verdict.equal("IN", attempt_as_user([] { (void)in8(0x3fd); }).vector, vector::general);
    verdict.equal("RDMSR", attempt_as_user([] { (void)rdmsr(0x1b); }).vector, vector::general);
    verdict.equal("WRMSR", attempt_as_user([] { wrmsr(0x80b, 0); }).vector, vector::general);
    verdict.equal("MOV CR", attempt_as_user([] { write_cr3(0); }).vector, vector::general);
    verdict.equal("MOV DR", attempt_as_user([] { asm volatile("mov %0, %%dr0" :: "r"(0ull)); }).vector, vector::general);
    verdict.equal("WBINVD", attempt_as_user([] { asm volatile("wbinvd"); }).vector, vector::general);
    verdict.equal("CLI", attempt_as_user([] { cli(); }).vector, vector::general);
}

} // namespace kennel::guest
