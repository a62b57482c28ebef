// SPDX-License-Identifier: Apache-2.0
#include "drivers/model/ioapic.hpp"
#include "drivers/model/pci.hpp"
#include "tests/machine/guest/processor.hpp"
#include "tests/machine/guest/verdict.hpp"

namespace kennel::guest {

constinit char const* const title = "mmio: loads and stores of device registers, in the ways drivers write them";

void check(Verdict& verdict)
{
    constexpr u64 io_apic = service::IoApic::address, bridge = service::PciHost::ecam_base;
    u32 const identity = read<u32>(bridge);
    verdict.that("a host bridge in ECAM", identity != 0xffff'ffff && identity != 0);
    verdict.equal("word", read<u16>(bridge + 2), identity >> 16);
    verdict.equal("byte", read<u8>(bridge + 1), identity >> 8 & 0xff);
    u64 value = ~0ull;
    asm volatile("movzwl %1, %k0" : "=r"(value) : "m"(*reinterpret_cast<u16*>(bridge)));
    verdict.equal("MOVZX", value, identity & 0xffff);
    asm volatile("movsbq %1, %0" : "=r"(value) : "m"(*reinterpret_cast<u8*>(bridge + 0x60)));
    verdict.equal("MOVSX of a zero", value, 0);
    write<u32>(io_apic, 0x10);                          // redirection of input 0, low half
    write<u32>(io_apic + 0x10, 0x1'0041);
    verdict.equal("written and read", read<u32>(io_apic + 0x10), 0x1'0041);
    asm volatile("orl %1, %0" : "+m"(*reinterpret_cast<u32*>(io_apic + 0x10)) : "r"(0x800));
    verdict.equal("OR", read<u32>(io_apic + 0x10), 0x1'0841);
    asm volatile("andl $0x1ffff7ff, %0" : "+m"(*reinterpret_cast<u32*>(io_apic + 0x10)));
    verdict.equal("AND", read<u32>(io_apic + 0x10), 0x1'0041);
    u32 swapped = 0x1'0043;
    asm volatile("xchgl %0, %1" : "+r"(swapped), "+m"(*reinterpret_cast<u32*>(io_apic + 0x10)));
    verdict.equal("XCHG gave", swapped, 0x1'0041);
    verdict.equal("XCHG left", read<u32>(io_apic + 0x10), 0x1'0043);
    u64 r15 = 0;
    asm volatile("mov %1, %%ebx; mov %%ebx, %%r15d; mov %%r15, %0" : "=r"(r15) : "m"(*reinterpret_cast<u32*>(io_apic + 0x10)) : "rbx", "r15");
    verdict.equal("other registers", r15, 0x1'0043);
    bool zero = false;
    asm volatile("testl $0x10000, %1; setz %0" : "=q"(zero) : "m"(*reinterpret_cast<u32*>(io_apic + 0x10)) : "cc");
    verdict.that("TEST sets the flags", !zero);
    asm volatile("cmpl $0x10043, %1; setz %0" : "=q"(zero) : "m"(*reinterpret_cast<u32*>(io_apic + 0x10)) : "cc");
    verdict.that("CMP sets the flags", zero);
}

} // namespace kennel::guest
