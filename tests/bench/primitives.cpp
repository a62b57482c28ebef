// SPDX-License-Identifier: Apache-2.0
//
// A guest that measures: instructions (TSC ticks) per operation, the loop's own cost taken off. Run alone on a CPU, in an
// emulator whose TSC advances once per instruction. Prints `BENCH name ticks`.
#include "hv/abi/hypercall.hpp"
#include "tests/machine/guest/apic.hpp"
#include "tests/machine/guest/processor.hpp"
#include "tests/machine/guest/traps.hpp"
#include "tests/machine/guest/verdict.hpp"

extern "C" {
void bench_eoi();
void bench_timer();
extern kennel::u64 volatile bench_arrived;
kennel::u64 volatile bench_arrived = 0;
}

// Handlers of a few instructions, so that what is measured is not the handler.
asm(R"(
    .globl bench_eoi, bench_timer
bench_timer:
    push %rax
    push %rdx
    push %rcx
    rdtsc
    shl $32, %rdx
    or %rdx, %rax
    mov %rax, bench_arrived(%rip)
    jmp 1f
bench_eoi:
    push %rax
    push %rdx
    push %rcx
1:  xor %eax, %eax
    xor %edx, %edx
    mov $0x80b, %ecx
    wrmsr
    pop %rcx
    pop %rdx
    pop %rax
    iretq
)");

namespace kennel::guest {

constinit char const* const title = "primitives";

namespace {

constexpr u64 rounds = 1000;

void print(char const* name, u64 ticks)
{
    char line[96] = "BENCH ";
    usize at = 6;
    for (; *name && at < 60; name++)
        line[at++] = *name;
    line[at++] = ' ';
    char digits[20];
    usize count = 0;
    do
        digits[count++] = static_cast<char>('0' + ticks % 10);
    while (ticks /= 10);
    while (count)
        line[at++] = digits[--count];
    line[at++] = '\n';
    line[at] = 0;
    say(line);
}

// The least of five runs: a host timer may come in between.
template<class Operation> u64 ticks_of(Operation&& operation)
{
    u64 best = ~0ull;
    for (int run = 0; run < 5; run++) {
        u64 const start = rdtsc();
        for (u64 i = 0; i < rounds; i++) {
            asm volatile("");
            operation();
        }
        u64 const spent = rdtsc() - start;
        best = spent < best ? spent : best;
    }
    return best;
}

template<class Operation> void measure(char const* name, Operation&& operation)
{
    u64 const empty = ticks_of([] {}), full = ticks_of(operation);
    print(name, (full - empty + rounds / 2) / rounds);
}

} // namespace

void check(Verdict&)
{
    apic::enable();
    count_interrupts(0x60);
    sti();                                            // as an operating system runs most of the time
    measure("cpuid", [] { cpuid(0); });
    measure("cpuid-leaf-1", [] { cpuid(1); });
    measure("null-hypercall", [] { hypercall(static_cast<u64>(abi::GuestCall::nothing)); });
    measure("pio-service-in", [] { in8(0x3ff); });
    measure("pio-service-out", [] { out8(0x3ff, 0x5a); });
    measure("pio-unclaimed", [] { in8(0x80); });
    measure("mmio-service-read", [] { read<u32>(0xfec00000); });
    measure("tsc-deadline-write", [] { wrmsr(apic::tsc_deadline, 1ull << 60); });
    wrmsr(apic::tsc_deadline, 0);
    measure("msr-read", [] { rdmsr(apic::base); });
    // The write exits, the interrupt is there at the next instruction, its handler writes EOI.
    raw_gate(0x60, bench_eoi);
    measure("self-ipi-with-eoi", [] { wrmsr(apic::self, 0x60); });
    cli();
    raw_gate(0x61, bench_timer);
    wrmsr(apic::lvt_timer, apic::deadline_mode | 0x61);
    u64 best = ~0ull;
    for (int i = 0; i < 50; i++) {
        // The handler's first instruction notes the tick; before it, the loop's every RDTSC is the last guest instruction but one.
        bench_arrived = 0;
        wrmsr(apic::tsc_deadline, rdtsc() + 20'000);
        sti();
        u64 before = 0, last = 0;
        while (bench_arrived == 0) {
            before = last;
            last = rdtsc();
        }
        cli();
        u64 const seen = last < bench_arrived ? last : before;
        best = bench_arrived - seen < best ? bench_arrived - seen : best;
    }
    print("host-timer-to-handler", best);
    power_off();
}

} // namespace kennel::guest
