// SPDX-License-Identifier: Apache-2.0
//
// The guest that measures one operation after another, alone on a CPU, in an emulator whose TSC advances once per instruction. The same
// file runs under Kennel and under a client of Linux KVM (linux/kvm_client.c). With only=growth on its command line it measures what the
// number of neighbours might change; with only=external-interrupt that one (linux/peer_guests.sh says why).
#include "hv/abi/hypercall.hpp"
#include "tests/bench/guests/doorbells.hpp"
#include "tests/bench/guests/handlers.hpp"
#include "tests/bench/guests/only.hpp"
#include "tests/machine/guest/apic.hpp"
#include "tests/machine/guest/traps.hpp"
#include "tests/machine/guest/verdict.hpp"

extern "C" {
void bench_cold_read(kennel::u64 address, kennel::u64* ticks);
void bench_cold_nothing(kennel::u64 address, kennel::u64* ticks);
}

// The same access at many addresses of code, each executed once: the first time is what it costs before anything is remembered
// about the instruction. The clock is read right after a jump: see samples.hpp.
asm(R"(
    .globl bench_cold_read, bench_cold_nothing
    .macro cold access:vararg
    .rept 201
    jmp 1f
1:  rdtsc
    shl $32, %rdx
    lea (%rax, %rdx), %r8
    \access
    jmp 1f
1:  rdtsc
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

constexpr u64 service_memory = 0xfec00000;     // the IOAPIC's selector
constexpr u16 service_port = 0x3ff;            // the UART's scratch register
constexpr u8  self_vector = 0x60, timer_vector = 0x61;
constexpr u64 mib = 1 << 20, small_pages = 8 * mib, large_pages = 16 * mib;
constexpr u32 large_page_count = 8;

Samples samples;

void measure_cold()
{
    static u64 ticks[Samples::rounds];
    bench_cold_nothing(service_memory, ticks);
    u64 clock = ticks[0];
    for (u64 const one : ticks)
        clock = one < clock ? one : clock;
    samples.begin();
    bench_cold_read(service_memory, ticks);
    for (u64 const one : ticks)
        samples.add(one);
    samples.end("mmio-service-read-first", clock);
}

void measure_self_ipi()
{
    // The write exits, the interrupt is there at the next instruction, its handler writes EOI.
    raw_gate(self_vector, bench_eoi);
    samples.measure("self-ipi-with-eoi", [] { wrmsr(apic::self, self_vector); });
}

void use_timer()
{
    cli();
    raw_gate(timer_vector, bench_arrival);
    wrmsr(apic::lvt_timer, apic::deadline_mode | timer_vector);
}

// The timer's interrupt comes while the guest's task priority is above it: the processor leaves the guest, the interrupt is noted, the
// guest goes on. What that takes from a guest that only looks at the clock. (Not with IF clear: Bochs may then forget interrupts.)
void measure_external()
{
    constexpr u64 above_all = 0xf0;
    sti();
    samples.begin();
    for (u32 i = 0; i < Samples::rounds; i++) {
        wrmsr(apic::task_priority, above_all);
        wrmsr(apic::tsc_deadline, rdtsc() + 20'000);
        u64 last = clock_now(), pass = ~0ull, gap = 0;
        do {
            u64 const now = clock_now();
            gap = now - last;
            last = now;
            pass = gap < pass ? gap : pass;
        } while (gap < pass + 40);             // more than any difference between two passes
        samples.add(gap - pass);
        bench_arrived = 0;
        wrmsr(apic::task_priority, 0);
        while (bench_arrived == 0)
            ;
    }
    samples.end("external-interrupt");
    cli();
}

// From the last instruction before the interrupt to the handler's first, which notes the tick.
void measure_timer()
{
    samples.begin();
    for (u32 i = 0; i < Samples::rounds; i++) {
        bench_arrived = 0;
        wrmsr(apic::tsc_deadline, rdtsc() + 20'000);
        sti();
        u64 before = 0, last = 0;              // the loop's every RDTSC is the last guest instruction but one
        while (bench_arrived == 0) {
            before = last;
            last = rdtsc();
        }
        cli();
        samples.add(bench_arrived - (last < bench_arrived ? last : before));
    }
    samples.end("host-timer-to-handler");
}

// From the deadline, at which the CPU sleeps, to the handler's first instruction.
void measure_halt()
{
    samples.begin();
    for (u32 i = 0; i < Samples::rounds; i++) {
        bench_arrived = 0;
        u64 const deadline = rdtsc() + 100'000;
        wrmsr(apic::tsc_deadline, deadline);
        while (bench_arrived == 0) {
            sti_hlt();
            cli();
        }
        samples.add(bench_arrived - deadline);
    }
    samples.end("halt-wake");
}

void measure_growth(Doorbells& doorbells)
{
    samples.measure("cpuid", [] { cpuid(0); });
    samples.measure("pio-service-in", [] { in8(service_port); });
    doorbells.measure_wake(samples);
    doorbells.measure_read(samples);
}

} // namespace

void check(Verdict&)
{
    Only const only = Only::of_command_line();
    static Doorbells doorbells;
    apic::enable();
    samples.learn_overhead();
    sti();                                     // as an operating system runs most of the time
    if (only.is("external-interrupt")) {
        use_timer();
        measure_external();
        power_off();
    }
    doorbells.find();
    if (only.is("growth")) {
        measure_growth(doorbells);
        power_off();
    }
    samples.measure("cpuid", [] { cpuid(0); });
    samples.measure("cpuid-leaf-1", [] { cpuid(1); });
    samples.measure("null-hypercall", [] { hypercall(static_cast<u64>(abi::GuestCall::nothing)); });
    samples.measure("pio-service-in", [] { in8(service_port); });
    samples.measure("pio-service-out", [] { out8(service_port, 0x5a); });
    samples.measure("pio-unclaimed", [] { in8(0x80); });
    measure_cold();
    samples.measure("mmio-service-read", [] { read<u32>(service_memory); });
    samples.measure("msr-read", [] { rdmsr(apic::base); });
    samples.measure("tsc-deadline-write", [] { wrmsr(apic::tsc_deadline, 1ull << 60); });
    wrmsr(apic::tsc_deadline, 0);
    measure_self_ipi();
    doorbells.measure_bit(samples);
    doorbells.measure_wake(samples);
    doorbells.measure_answer(samples);
    doorbells.measure_read(samples);
    use_timer();
    measure_external();
    measure_timer();
    measure_halt();
    samples.measure_each("first-touch-4k", Samples::rounds, [](u32 i) { write<u8>(small_pages + i * 4096, 1); });
    samples.measure_each("first-touch-2m", large_page_count, [](u32 i) { write<u8>(large_pages + i * 2 * mib, 1); });
    power_off();
}

} // namespace kennel::guest
