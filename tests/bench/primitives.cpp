// SPDX-License-Identifier: Apache-2.0
//
// A guest that measures: instructions (TSC ticks) per operation, the loop's own cost taken off. Run alone on a CPU, in an
// emulator whose TSC advances once per instruction; the same file runs under Kennel and under the KVM client (client.c).
// Prints `BENCH name minimum median`. With only=NAME on its command line it does that operation `counted_operations` times and
// prints nothing: the difference of two such runs' VM exits is what the operation's are (only=nothing is the one to take off).
// With only=growth it measures what the number of neighbours might change.
#include "hv/abi/hypercall.hpp"
#include "tests/bench/only.hpp"
#include "tests/machine/guest/apic.hpp"
#include "tests/machine/guest/processor.hpp"
#include "tests/machine/guest/traps.hpp"
#include "tests/machine/guest/verdict.hpp"

extern "C" {
void bench_eoi();
void bench_timer();
void bench_cold_read(kennel::u64 address, kennel::u64* ticks);
void bench_cold_nothing(kennel::u64 address, kennel::u64* ticks);
extern kennel::u64 volatile bench_arrived;
kennel::u64 volatile bench_arrived = 0;
}

// Handlers of a few instructions, so that what is measured is not the handler. And the same access at many addresses of code,
// each executed once: the first time is what it costs before anything is remembered about the instruction.
asm(R"(
    .globl bench_eoi, bench_timer, bench_cold_read, bench_cold_nothing
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

    .macro cold access:vararg
    .rept 200
    rdtsc
    shl $32, %rdx
    lea (%rax, %rdx), %r8
    \access
    rdtsc
    shl $32, %rdx
    add %rdx, %rax
    sub %r8, %rax
    mov %rax, (%rsi)
    add $8, %rsi
    .endr
    ret
    .endm
bench_cold_read:
    cold mov (%rdi), %ecx
bench_cold_nothing:
    cold
)");

namespace kennel::guest {

constinit char const* const title = "primitives";

namespace {

constexpr usize batches = 21, rounds = 100;
constexpr usize counted_operations = 200;      // tests/bench/run divides by it; as many as the cold accesses above
constexpr u64 service_memory = 0xfec00000;     // the IOAPIC's selector
constexpr u16 service_port = 0x3ff;            // the UART's scratch register
constexpr u64 mib = 1 << 20, small_pages = 8 * mib, large_pages = 16 * mib;
constexpr usize large_page_count = 8;

u64 samples[counted_operations];

Only only;

char* add(char* at, u64 value)
{
    char digits[20];
    usize count = 0;
    do
        digits[count++] = static_cast<char>('0' + value % 10);
    while (value /= 10);
    *at++ = ' ';
    while (count)
        *at++ = digits[--count];
    return at;
}

// Of the first `count` samples.
void print(char const* name, usize count)
{
    for (usize i = 1; i < count; i++)
        for (usize j = i; j && samples[j] < samples[j - 1]; j--) {
            u64 const other = samples[j];
            samples[j] = samples[j - 1];
            samples[j - 1] = other;
        }
    char line[96] = "BENCH ";
    char* at = line + 6;
    while (*name && at < line + 48)
        *at++ = *name++;
    at = add(add(at, samples[0]), samples[count / 2]);
    *at = 0;
    say(line);
}

template<class Operation> u64 ticks_of(Operation& operation)
{
    u64 const start = rdtsc();
    for (usize i = 0; i < rounds; i++) {
        asm volatile("");
        operation();
    }
    return rdtsc() - start;
}

template<class Operation> void measure(char const* name, Operation operation)
{
    if (only.given()) {
        if (only.is(name))
            for (usize i = 0; i < counted_operations; i++)
                operation();
        return;
    }
    auto nothing = [] {};
    u64 empty = ~0ull;
    for (usize i = 0; i < batches; i++)
        if (u64 const ticks = ticks_of(nothing); ticks < empty)
            empty = ticks;
    for (usize i = 0; i < batches; i++)
        samples[i] = (ticks_of(operation) - empty + rounds / 2) / rounds;
    print(name, batches);
}

// One operation for each sample; what reading the clock twice costs is taken off.
template<class Operation> void measure_each(char const* name, usize count, Operation operation)
{
    if (only.given() && !only.is(name))
        return;
    u64 const start = rdtsc(), clock = rdtsc() - start;
    for (usize i = 0; i < count; i++) {
        u64 const before = rdtsc();
        operation(i);
        samples[i] = rdtsc() - before - clock;
    }
    if (!only.given())
        print(name, count);
}

void measure_cold(char const* name)
{
    if (only.given() && !only.is(name))
        return;
    bench_cold_nothing(service_memory, samples);
    u64 clock = samples[0];
    for (u64 const ticks : samples)
        clock = ticks < clock ? ticks : clock;
    bench_cold_read(service_memory, samples);
    for (u64& ticks : samples)
        ticks -= clock;
    if (!only.given())
        print(name, counted_operations);
}

// From the last instruction before the interrupt to the handler's first, which notes the tick.
void measure_timer(char const* name)
{
    if (only.given() && !only.is(name))
        return;
    for (usize i = 0; i < counted_operations; i++) {
        bench_arrived = 0;
        wrmsr(apic::tsc_deadline, rdtsc() + 20'000);
        sti();
        u64 before = 0, last = 0;                      // the loop's every RDTSC is the last guest instruction but one
        while (bench_arrived == 0) {
            before = last;
            last = rdtsc();
        }
        cli();
        samples[i] = bench_arrived - (last < bench_arrived ? last : before);
    }
    if (!only.given())
        print(name, counted_operations);
}

// From the deadline, at which the CPU sleeps, to the handler's first instruction.
void measure_halt(char const* name)
{
    if (only.given() && !only.is(name))
        return;
    for (usize i = 0; i < counted_operations; i++) {
        bench_arrived = 0;
        u64 const deadline = rdtsc() + 100'000;
        wrmsr(apic::tsc_deadline, deadline);
        while (bench_arrived == 0) {
            sti_hlt();
            cli();
        }
        samples[i] = bench_arrived - deadline;
    }
    if (!only.given())
        print(name, counted_operations);
}

} // namespace

void check(Verdict&)
{
    only = Only::of_command_line();
    apic::enable();
    count_interrupts(0x60);
    sti();                                            // as an operating system runs most of the time
    if (only.is("growth")) {
        only = {};
        measure("cpuid", [] { cpuid(0); });
        measure("pio-service-in", [] { in8(service_port); });
        power_off();
    }
    measure("cpuid", [] { cpuid(0); });
    measure("cpuid-leaf-1", [] { cpuid(1); });
    measure("null-hypercall", [] { hypercall(static_cast<u64>(abi::GuestCall::nothing)); });
    measure("pio-service-in", [] { in8(service_port); });
    measure("pio-service-out", [] { out8(service_port, 0x5a); });
    measure("pio-unclaimed", [] { in8(0x80); });
    measure_cold("mmio-service-read-first");
    measure("mmio-service-read", [] { read<u32>(service_memory); });
    measure("msr-read", [] { rdmsr(apic::base); });
    measure("tsc-deadline-write", [] { wrmsr(apic::tsc_deadline, 1ull << 60); });
    wrmsr(apic::tsc_deadline, 0);
    // The write exits, the interrupt is there at the next instruction, its handler writes EOI.
    raw_gate(0x60, bench_eoi);
    measure("self-ipi-with-eoi", [] { wrmsr(apic::self, 0x60); });
    cli();
    raw_gate(0x61, bench_timer);
    wrmsr(apic::lvt_timer, apic::deadline_mode | 0x61);
    measure_timer("host-timer-to-handler");
    measure_halt("halt-wake");
    measure_each("first-touch-4k", counted_operations, [](usize i) { write<u8>(small_pages + i * 4096, 1); });
    measure_each("first-touch-2m", large_page_count, [](usize i) { write<u8>(large_pages + i * 2 * mib, 1); });
    power_off();
}

} // namespace kennel::guest
