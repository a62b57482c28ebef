// SPDX-License-Identifier: Apache-2.0
#include "tests/machine/guest/processor.hpp"
#include "tests/machine/guest/traps.hpp"
#include "tests/machine/guest/verdict.hpp"

namespace kennel::guest {

constinit char const* const title = "denied instructions: VMX, SMX, MONITOR, RDPMC give their exception, cache control does nothing";

void check(Verdict& verdict)
{
    static u64 memory[4];
    auto refused = [&](char const* name, u64 expected, auto body) { verdict.equal(name, attempt(body).vector, expected); };
    refused("VMXON", vector::invalid_opcode, [] { asm volatile("vmxon %0" :: "m"(memory)); });
    refused("VMXOFF", vector::invalid_opcode, [] { asm volatile("vmxoff"); });
    refused("VMLAUNCH", vector::invalid_opcode, [] { asm volatile("vmlaunch"); });
    refused("VMRESUME", vector::invalid_opcode, [] { asm volatile("vmresume"); });
    refused("VMPTRLD", vector::invalid_opcode, [] { asm volatile("vmptrld %0" :: "m"(memory)); });
    refused("VMPTRST", vector::invalid_opcode, [] { asm volatile("vmptrst %0" : "=m"(memory)); });
    refused("VMCLEAR", vector::invalid_opcode, [] { asm volatile("vmclear %0" :: "m"(memory)); });
    refused("VMREAD", vector::invalid_opcode, [] { u64 v; asm volatile("vmread %1, %0" : "=r"(v) : "r"(0ull)); });
    refused("VMWRITE", vector::invalid_opcode, [] { asm volatile("vmwrite %0, %1" :: "r"(0ull), "r"(0ull)); });
    refused("INVEPT", vector::invalid_opcode, [] { asm volatile("invept %0, %1" :: "m"(memory), "r"(1ull)); });
    refused("INVVPID", vector::invalid_opcode, [] { asm volatile("invvpid %0, %1" :: "m"(memory), "r"(1ull)); });
    refused("VMFUNC", vector::invalid_opcode, [] { asm volatile(".byte 0x0f, 0x01, 0xd4" :: "a"(0)); });
    refused("MONITOR", vector::invalid_opcode, [] { asm volatile("monitor" :: "a"(memory), "c"(0), "d"(0)); });
    refused("MWAIT", vector::invalid_opcode, [] { asm volatile("mwait" :: "a"(0), "c"(0)); });
    refused("GETSEC", vector::invalid_opcode, [] { asm volatile(".byte 0x0f, 0x37" :: "a"(0)); });
    refused("RDPMC", vector::general, [] { asm volatile("rdpmc" :: "c"(0) : "rax", "rdx"); });
    refused("XSETBV without OSXSAVE", vector::invalid_opcode, [] { asm volatile("xsetbv" :: "c"(0), "a"(1), "d"(0)); });
    refused("WBINVD goes through", no_fault, [] { asm volatile("wbinvd" ::: "memory"); });
    refused("INVD goes through", no_fault, [] { asm volatile("invd" ::: "memory"); });
    refused("INVLPG goes through", no_fault, [] { asm volatile("invlpg %0" :: "m"(memory) : "memory"); });
}

} // namespace kennel::guest
