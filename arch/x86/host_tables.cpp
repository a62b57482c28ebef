// SPDX-License-Identifier: Apache-2.0
//
// GDT, TSS, IDT and stacks of a CPU, and what happens when an exception reaches hv: a report and the end.
// What is CPU n's, in 64 KiB from stacks_virtual_base + n * 64 KiB; pages that are not named are guard pages:
//   0x1000-0x4fff   main stack     0x6000-0x6fff   NMI     0x8000-0x8fff   machine check     0xa000-0xbfff   all other exceptions
//   0xd000-0xefff   its Cpu (the boot CPU's is in the image): private page, shared page
#include "arch/x86/host.hpp"
#include "arch/x86/instructions.hpp"
#include "hv/log.hpp"
#include <cstring>

extern "C" {
extern char host_vectors[];
void host_exception(kennel::u64* frame);
}

namespace kennel::arch {

namespace {

struct Gate { u64 low, high; };
Gate idt[256];

constexpr u64 stack_span = 0x10000;
constexpr u64 stacks_of(u32 cpu) { return stacks_virtual_base + cpu * stack_span; }

void map_stack(Machine& machine, u64 from, u64 to)
{
    for (u64 at = from; at < to; at += page_size) {
        void* const page = own_frame(machine);
        host_paging().unmap_page(reinterpret_cast<u64>(page));   // here and nowhere else
        host_paging().map_page(at, machine.block.physical(page), Page::writable | Page::no_execute);
    }
}

void fill_idt()
{
    // SDM, "64-Bit IDT Gate Descriptors": present, interrupt gate. Stubs are 16 bytes apart, see entry.S.
    for (unsigned n = 0; n < 256; n++) {
        u64 const at = reinterpret_cast<u64>(host_vectors) + n * 16;
        u64 const stack = n == 2 ? 1 : n == 18 ? 2 : n < 32 ? 3 : 0;
        idt[n] = {(at & 0xffff) | (u64{HostSelector::code} << 16) | (stack << 32) | (0x8eull << 40) | ((at >> 16 & 0xffff) << 48), at >> 32};
    }
}

} // namespace

u64 idt_base() { return reinterpret_cast<u64>(idt); }

Cpu& make_cpu(Machine& machine, u32 index)
{
    u64 const at = stacks_of(index) + 0xd000;
    map_stack(machine, at, at + sizeof(Cpu));
    Cpu& cpu = *new (reinterpret_cast<void*>(at)) Cpu{};
    cpu.machine = &machine;
    cpu.index = index;
    machine.cpus[index] = &cpu;
    return cpu;
}

void keep_private(Cpu& cpu)
{
    for (u64 page = 0; page < 0xd; page++)
        host_paging().set_private(cpu.index, stacks_of(cpu.index) + page * page_size, true);
    for (Vcpu& vcpu : cpu.all)
        set_secrets(vcpu, true);
    host_paging().set_private(cpu.index, reinterpret_cast<u64>(&cpu), true);
}

void setup_stacks(Machine& machine, Cpu& cpu)
{
    u64 const base = stacks_of(cpu.index);
    map_stack(machine, base + 0x1000, base + 0x5000);
    map_stack(machine, base + 0x6000, base + 0x7000);
    map_stack(machine, base + 0x8000, base + 0x9000);
    map_stack(machine, base + 0xa000, base + 0xc000);
    cpu.arch.self = &cpu;
    cpu.arch.stack_top = base + 0x5000;
    cpu.arch.task.ist[0] = base + 0x7000;
    cpu.arch.task.ist[1] = base + 0x9000;
    cpu.arch.task.ist[2] = base + 0xc000;
    cpu.arch.task.io_map = sizeof(TaskState);
    if (cpu.index == 0)
        fill_idt();
}

void load_tables(Cpu& cpu)
{
    // SDM, "Segment Descriptors": 64-bit code, data, and the TSS in two entries.
    u64 const task = reinterpret_cast<u64>(&cpu.arch.task);
    u64 const table[7] = {0, 0x00af'9b00'0000'ffff, 0x00cf'9300'0000'ffff, 0, 0,
                          (sizeof(TaskState) - 1) | ((task & 0xff'ffff) << 16) | (0x89ull << 40) | ((task >> 24 & 0xff) << 56), task >> 32};
    memcpy(cpu.arch.gdt, table, sizeof table);
    lgdt({sizeof cpu.arch.gdt - 1, reinterpret_cast<u64>(cpu.arch.gdt)});
    lidt({sizeof idt - 1, idt_base()});
    asm volatile("push %0; lea 1f(%%rip), %%rax; push %%rax; lretq; 1: mov %w1, %%ss; mov %w1, %%ds; mov %w1, %%es; mov %w2, %%fs; mov %w2, %%gs"
                 : : "i"(static_cast<u64>(HostSelector::code)), "r"(HostSelector::data), "r"(0) : "rax", "memory");
    ltr(HostSelector::task);
    wrmsr(Msr::gs_base, reinterpret_cast<u64>(&cpu.arch));
}

// What a stub of entry.S noted is handled like an exit of that kind. False: nothing came.
static bool take_noted(Cpu& cpu)
{
    static_assert(offsetof(CpuArch, noted_vector) == 0x20, "entry.S writes it");
    u8 const vector = cpu.arch.noted_vector;
    cpu.arch.noted_vector = 0;
    if (vector)
        host_interrupt(cpu, vector);
    return vector != 0;
}

void take_pending_interrupts(Cpu& cpu)
{
    do
        asm volatile("sti; nop; cli" : : : "memory");
    while (take_noted(cpu));
}

void idle(Cpu& cpu)
{
    asm volatile("sti; hlt; cli" : : : "memory");   // STI's shadow covers HLT, so no interrupt is lost between them
    take_noted(cpu);                           // hv decides afterwards whether somebody can run
}

} // namespace kennel::arch

void host_exception(kennel::u64* frame)
{
    using namespace kennel;
    // frame: 16 registers, vector, error code, rip, cs, rflags, rsp, ss
    u64 const vector = frame[16];
    if (vector == 2)
        return arch::report_nmi(frame[18]);
    static constexpr char const* names[] = {"divide error", "debug", "NMI", "breakpoint", "overflow", "bound", "invalid opcode", "no FPU", "double fault", "",
                                            "invalid TSS", "segment not present", "stack fault", "general protection", "page fault", "", "FPU error",
                                            "alignment", "machine check", "SIMD"};
    arch::panic_with_registers(vector < 20 ? names[vector] : "exception", frame);
}
