// SPDX-License-Identifier: Apache-2.0
#include "tests/machine/guest/apic.hpp"
#include "tests/machine/guest/traps.hpp"
#include "tests/machine/guest/verdict.hpp"

namespace kennel::guest {

constinit char const* const title = "control registers: changes are kept, reserved and hidden bits give #GP, CR8 is the task priority";

void check(Verdict& verdict)
{
    constexpr u64 wp = 1u << 16, am = 1u << 18, ts = 1u << 3, nw = 1u << 29, cd = 1u << 30, ne = 1u << 5;
    u64 const cr0 = read_cr0();
    for (u64 bit : {wp, am, ts, cd}) {
        write_cr0(cr0 | bit);
        verdict.equal("CR0 keeps a set bit", read_cr0(), cr0 | bit);
        write_cr0(cr0 & ~bit);
        verdict.equal("CR0 keeps a cleared bit", read_cr0(), cr0 & ~bit);
    }
    write_cr0(cr0);
    asm volatile("clts");
    verdict.equal("CR0 with NW but not CD", attempt([&] { write_cr0((cr0 & ~cd) | nw); }).vector, vector::general);
    verdict.equal("CR0 above 32 bits", attempt([&] { write_cr0(cr0 | 1ull << 32); }).vector, vector::general);
    verdict.equal("CR0.PG without PE", attempt([&] { write_cr0(cr0 & ~1ull); }).vector, vector::general);
    write_cr0(cr0 & ~ne);
    verdict.equal("CR0.NE can be cleared, seen from inside", read_cr0() & ne, 0);
    write_cr0(cr0);

    constexpr u64 pge = 1u << 7, tsd = 1u << 2, de = 1u << 3, osfxsr = 1u << 9, vmxe = 1u << 13, smxe = 1u << 14, pke = 1u << 22, la57 = 1u << 12, cet = 1u << 23, mce = 1u << 6;
    u64 const cr4 = read_cr4();
    for (u64 bit : {pge, tsd, de, osfxsr}) {
        write_cr4(cr4 | bit);
        verdict.equal("CR4 keeps a set bit", read_cr4(), cr4 | bit);
        write_cr4(cr4);
    }
    for (u64 bit : {mce, vmxe, smxe, pke, la57, cet, u64{1} << 31, u64{1} << 40}) {
        Fault const fault = attempt([&] { write_cr4(cr4 | bit); });
        verdict.equal("a CR4 bit that is not offered", fault.vector == no_fault ? bit : fault.vector, vector::general);
        verdict.equal("and it is not seen", read_cr4(), cr4);
    }
    verdict.equal("CR4.PAE cleared in long mode", attempt([&] { write_cr4(cr4 & ~(1ull << 5)); }).vector, vector::general);

    apic::enable();
    count_interrupts(0x58);
    write_cr8(5);
    verdict.equal("CR8 reads back", read_cr8(), 5);
    verdict.equal("TPR is CR8", rdmsr(apic::task_priority), 0x50);
    wrmsr(apic::self, 0x58);
    sti_nop_cli();
    verdict.equal("held by its priority", counted(0x58), 0);
    write_cr8(4);
    sti_nop_cli();
    verdict.equal("delivered when it falls", counted(0x58), 1);
    verdict.equal("CR8 above 15", attempt([] { write_cr8(16); }).vector, vector::general);
}

} // namespace kennel::guest
