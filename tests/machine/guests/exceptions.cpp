// SPDX-License-Identifier: Apache-2.0
#include "tests/machine/guest/processor.hpp"
#include "tests/machine/guest/traps.hpp"
#include "tests/machine/guest/verdict.hpp"

namespace kennel::guest {

constinit char const* const title = "exceptions: its own and injected ones arrive with the right vector, error code and address";

void check(Verdict& verdict)
{
    Fault fault = attempt([] { u32 volatile zero = 0; u32 volatile sink = 1; asm volatile("divl %0" :: "m"(zero), "a"(sink), "d"(0)); });
    verdict.equal("#DE", fault.vector, vector::divide);
    fault = attempt([] { asm volatile("ud2"); });
    verdict.equal("#UD", fault.vector, vector::invalid_opcode);
    fault = attempt([] { asm volatile("int3"); });
    verdict.equal("#BP", fault.vector, vector::breakpoint);
    fault = attempt([] { (void)read<u8>(0x7f'ffff'f123); });
    verdict.equal("#PF", fault.vector, vector::page);
    verdict.equal("its error code", fault.error, 0);
    verdict.equal("its address", read_cr2(), 0x7f'ffff'f123);
    fault = attempt([] { write<u8>(0x1234'5678'9abc'def0, 1); });
    verdict.equal("#GP for an address not canonical", fault.vector, vector::general);
    fault = attempt([] { asm volatile("mov %0, %%ds" :: "r"(0x7f8)); });
    verdict.equal("#GP for a bad selector", fault.error, 0x7f8);
    // Injected: the exit is hv's, the exception must be as if the processor's. CR2 stays.
    static u64 at;
    fault = attempt([] { asm volatile("lea 1f(%%rip), %%rax; mov %%rax, %0; 1: rdmsr" : "=m"(at) : "c"(0x480) : "rax", "rdx", "memory"); });
    verdict.equal("an injected #GP", fault.vector, vector::general);
    verdict.equal("points at its instruction", fault.rip, at);
    verdict.equal("CR2 is as before", read_cr2(), 0x7f'ffff'f123);
    // On another stack, by IST.
    use_stack(6, 1);
    fault = attempt([] { asm volatile("vmcall; ud2" : : "a"(0x4b4e4c01) : "memory"); });
    verdict.equal("#UD on a stack of its own", fault.vector, vector::invalid_opcode);
}

} // namespace kennel::guest
