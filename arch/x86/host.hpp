// SPDX-License-Identifier: Apache-2.0
//
// The machine as hv runs on it: what the processor can do, found once by the boot CPU, and the pieces of start-up in
// the order in which boot_cpu_main (start.cpp) calls them.
#pragma once
#include "arch/x86/paging.hpp"
#include "arch/x86/registers.hpp"
#include "hv/crossing.hpp"

namespace kennel::arch {

// The same on every CPU (one whose VT-x differs is left out, see enter_vmx_root). Written once, before the others start.
struct HostFeatures {
    bool x2apic = false, tsc_deadline = false, ept_1g = false, no_page_size_erratum = false, invvpid_single = false, keeps_predictors_apart = false;
    u64  xcr0 = 0;                    // extended states a guest may use
    u32  extended_size = 512;         // bytes of an XSAVE area holding them
    u64  vmx_basic = 0;
    bool preemption_timer = false;
    u32  preemption_shift = 0;        // it counts TSC ticks >> this
    u64  timer_ticks_per_tsc = 0;     // one-shot APIC timer: APIC ticks per TSC tick, 32.32 fixed point; 0: TSC-deadline
    u32  crossing_actions = 0;        // Crossing bits that the processor has and needs; 0 on one without the flaws
};
HostFeatures const& host_features();
// Crossing bits, of CPUID 7's EDX and IA32_ARCH_CAPABILITIES (0 where there is none). VERW wherever it empties buffers (MD_CLEAR, FB_CLEAR,
// RFDS_CLEAR): MDS_NO says nothing of what TSX's asynchronous aborts, stale data of devices or register files show. The first-level cache
// where there is L1D_FLUSH, unless RDCL_NO or SKIP_L1DFL_VMENTRY.
constexpr u32 crossing_means(u32 features, u64 capabilities)
{
    bool const buffers = (features & bit(10)) || (capabilities & (bit(17) | bit(28))), l1_data = (features & bit(28)) && !(capabilities & (bit(0) | bit(3)));
    return (features & bit(26) ? Crossing::predictors : 0) | (buffers ? Crossing::buffers : 0) | (l1_data ? Crossing::l1_data : 0);
}
HostFeatures& host_features_for_boot();

HostPaging& host_paging();

// host_tables.cpp: GDT, TSS, IDT and stacks of one CPU.
Cpu& make_cpu(Machine& machine, u32 index);
void keep_private(Cpu& cpu);          // its own part of hv's memory, on this CPU alone; after HostPaging::divide
void setup_stacks(Machine& machine, Cpu& cpu);
void load_tables(Cpu& cpu);
struct HostSelector { static constexpr u16 code = 0x08, data = 0x10, task = 0x28; };
u64 idt_base();
// For vectors and locks, which are given nothing: CpuArch::self.
inline Cpu& this_cpu()
{
    Cpu* cpu;
    asm volatile("mov %%gs:0, %0" : "=r"(cpu));
    return *cpu;
}

// apic.cpp
void find_apic(Machine& machine);     // maps it where it has registers in memory, measures its timer where needed
void enable_apic(Cpu& cpu);
void send_init(u32 apic_id);
void send_startup(u32 apic_id, u8 page);
void send_nmi(u32 apic_id);

// ioapic.cpp
void find_io_apics(Machine& machine);

// vmx.cpp
void find_vmx_features();
char const* enter_vmx_root(Machine& machine);             // on this CPU. null: done; else why not
void set_secrets(Vcpu const& vcpu, bool is_private);      // its registers, extended state and VMCS: mapped on its own CPU alone
void load_vcpu(Cpu& cpu, Vcpu& vcpu);                     // makes its VMCS current, and its context where it has one

// guest_context.cpp
void reset_context(GuestContext& context);
void switch_context(Cpu& cpu, Vcpu& vcpu);
void drop_context(Cpu& cpu, Vcpu& vcpu);                  // what the processor holds of it is worthless: forget it

// smp.cpp
void start_other_cpus(Machine& machine);
void let_cpus_run(Machine& machine);
void invalidate(Machine& machine, u32 cpus);              // translations of these, one bit each; complete on return

// serial.cpp
void setup_log(Machine& machine);
void service_takes_over_log();
void finish_log();                    // waits until everything written has gone out
void speak_in_panic();                // from now on, and on the screen, too

// panic.cpp
[[noreturn]] void panic_with_registers(char const* what, u64 const* frame);
void report_nmi(u64 at);              // that came while hv ran
void stop_if_over();                  // another CPU panicked: its NMI stops this one

void wait_us(u64 microseconds);       // by the TSC

} // namespace kennel::arch
