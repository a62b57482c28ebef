// SPDX-License-Identifier: Apache-2.0
//
// The host's local APIC: timer, IPIs, end of interrupt. x2APIC where the processor has it, registers in memory else.
// SDM, "Advanced Programmable Interrupt Controller (APIC)".
#include "arch/x86/host.hpp"
#include "arch/x86/instructions.hpp"
#include "hv/interrupt.hpp"

namespace kennel::arch {

namespace {

// Register numbers as offsets / 16, which is also their x2APIC MSR minus 0x800.
enum Register : u32 { id = 0x02, task_priority = 0x08, eoi = 0x0b, spurious = 0x0f, icr_low = 0x30, icr_high = 0x31, lvt_timer = 0x32, lvt_lint0 = 0x35, lvt_lint1 = 0x36, lvt_error = 0x37, initial = 0x38, current = 0x39, divide = 0x3e };

volatile u32* registers = nullptr;             // null: x2APIC

u32 read(Register r) { return registers ? registers[r * 4] : static_cast<u32>(rdmsr(Msr::x2apic_first + r)); }
void write(Register r, u32 value)
{
    if (registers)
        registers[r * 4] = value;
    else
        wrmsr(Msr::x2apic_first + r, value);
}

void send(u32 apic_id, u32 command)
{
    if (!registers) {
        // SDM, "MSR Access in x2APIC Mode": WRMSR waits for no earlier store, and the target must see what it is called for.
        asm volatile("mfence; lfence" : : : "memory");
        wrmsr(Msr::x2apic_first + icr_low, (static_cast<u64>(apic_id) << 32) | command);
        return;
    }
    registers[icr_high * 4] = apic_id << 24;
    registers[icr_low * 4] = command;
    while (registers[icr_low * 4] & (1u << 12))   // delivery status
        pause();
}

} // namespace

void find_apic(Machine& machine)
{
    HostFeatures& features = host_features_for_boot();
    features.x2apic = cpuid(1).ecx & bit(21);
    features.tsc_deadline = cpuid(1).ecx & bit(24);
    if (!features.x2apic)
        registers = static_cast<volatile u32*>(host_paging().map_device({rdmsr(Msr::apic_base) & 0xffff'f000}, page_size));
    enable_apic(*machine.cpus[0]);
    if (features.tsc_deadline)
        return;
    // One-shot mode: how many of its ticks pass in 10 ms of TSC.
    write(initial, ~0u);
    u64 const from = rdtsc();
    wait_us(10'000);
    u64 const ticks = ~0u - read(current);
    features.timer_ticks_per_tsc = (ticks << 32) / (rdtsc() - from);
    write(initial, 0);
}

void enable_apic(Cpu& cpu)
{
    wrmsr(Msr::apic_base, rdmsr(Msr::apic_base) | bit(11) | (host_features().x2apic ? bit(10) : 0));
    write(task_priority, 0);
    write(spurious, 0x100 | HostVector::spurious);
    write(lvt_lint0, 1u << 16);
    write(lvt_lint1, 1u << 16);
    write(lvt_error, 1u << 16);
    write(divide, 0xb);                        // by 1
    write(lvt_timer, HostVector::timer | (host_features().tsc_deadline ? 2u << 17 : 0));
    cpu.shared.apic_id = registers ? read(id) >> 24 : read(id);
}

void arm_timer(Cpu&, u64 deadline)
{
    HostFeatures const& features = host_features();
    if (features.tsc_deadline) [[likely]] {
        wrmsr(Msr::tsc_deadline, deadline);    // ~0 never comes, so it is as good as disarmed; 0 nobody asks for
        return;
    }
    u64 const now = rdtsc(), distance = deadline > now ? deadline - now : 1;
    u64 ticks = (distance >> 32) ? ~0u : (distance * features.timer_ticks_per_tsc) >> 32;
    write(initial, deadline == ~0ull ? 0 : static_cast<u32>(ticks ? ticks : 1));
}

void end_of_interrupt(Cpu&) { write(eoi, 0); }

void kick(Machine&, Cpu& target) { send(target.shared.apic_id, HostVector::kick | (1u << 14)); }

void send_init(u32 apic_id) { send(apic_id, (5u << 8) | (1u << 14)); }
void send_startup(u32 apic_id, u8 page) { send(apic_id, (6u << 8) | (1u << 14) | page); }

[[gnu::noinline]] void send_nmi(u32 apic_id) { send(apic_id, (4u << 8) | (1u << 14)); }   // tests/linux/panics.sh listens here

bool message_for(Machine& machine, u32 cpu, u8 vector, u64& message)
{
    u32 const target = machine.cpus[cpu]->shared.apic_id;
    message = 0xfee0'0000 | ((target & 0xff) << 12) | u64{vector} << 32;
    return target < 0xff;                      // that means all CPUs, and more needs interrupt remapping
}

u64 now() { return rdtsc(); }

void wait_us(u64 microseconds)
{
    u64 const until = rdtsc() + this_cpu().machine->boot->tsc_hz / 1'000'000 * microseconds;
    while (rdtsc() < until)
        pause();
}

} // namespace kennel::arch
