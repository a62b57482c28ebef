// SPDX-License-Identifier: Apache-2.0
//
// What hv/ asks of an architecture, and nothing else. arch/x86 answers on the machine, tests/fake on the host.
// The types behind it (arch::Space, arch::VcpuArch, arch::CpuArch) come from <arch_types.hpp>, chosen by the include path.
#pragma once
#include "hv/abi/hypercall.hpp"
#include "hv/abi/pages.hpp"
#include "hv/address.hpp"
#include "hv/exit.hpp"
#include <arch_types.hpp>
#include <optional>

namespace kennel {
struct Cpu;
struct Vcpu;
struct Partition;
struct Machine;
class Pool;
}

namespace kennel::arch {

// ---- time ----
u64  now();                                        // TSC
void arm_timer(Cpu& cpu, u64 deadline);            // host timer of this CPU: interrupt at that TSC; ~0: none
void idle(Cpu& cpu);                               // sleep until an interrupt; interrupts are handled by host_interrupt before it returns
void relax();                                      // one turn of a spin loop; answers other CPUs' orders to drop translations
void spin();                                       // one turn of a spin loop, and nothing else

// ---- the run loop ----
void prepare_entry(Cpu& cpu, Vcpu& vcpu);          // vcpu.attention was set: inject what its APIC has, or open a window; wind the watchdog
void take_pending_interrupts(Cpu& cpu);            // host interrupts that did not end the guest's run: handled by host_interrupt
[[noreturn]] void start_running(Cpu& cpu);         // enter cpu.current, and from there on only exits

// ---- one vCPU ----
bool create_vcpu(Vcpu& vcpu);                      // false: pool used up
void settle_vcpu(Vcpu& vcpu);                      // it is complete: from now on its secrets are mapped on its own CPU alone
bool skip_instruction(Vcpu& vcpu);                 // of the exit just taken; true: the guest can take an interrupt behind it
void skip_bytes(Vcpu& vcpu, u32 length);           // for a decoded instruction; clears STI and MOV-SS blocking like the processor
u64  instruction_length(Vcpu& vcpu);               // of the exit just taken
void inject_interrupt(Vcpu& vcpu, u8 vector);      // the guest can take one now, and nothing else is injected
void set_status_flags(Vcpu& vcpu, u64 flags);      // CF PF AF ZF SF OF, as an instruction the service carried out left them
void set_fault_address(Vcpu& vcpu, u64 address);   // CR2, for a page fault to be injected
void inject_exception(Vcpu& vcpu, u8 vector, std::optional<u32> error);
bool reflect_exception(Vcpu& vcpu, ExceptionExit const& exit);   // deliver it as the processor would; false: it cannot be
void reinject_interrupted_delivery(Vcpu& vcpu);    // an exit came while an event was being delivered: deliver it again
bool at_privilege_zero(Vcpu& vcpu);
void fill_exit_state(Vcpu& vcpu, abi::ExecutionState& state);        // of the exit just taken
void fill_execution_state(Vcpu& vcpu, abi::ExecutionState& state);   // of any vCPU of this CPU
void get_state(Vcpu& vcpu, abi::VcpuState& state);
abi::Status set_state(Vcpu& vcpu, abi::VcpuState const& state);
void release_vcpu(Cpu& cpu, Vcpu& vcpu);           // this CPU (its own) holds nothing of it any more; its frames may go

// ---- what a guest may see: tables in arch/x86/cpuid.cpp and msr.cpp ----
void answer_cpuid(Vcpu& vcpu);
enum class MsrOutcome : u8 { done, denied, left_x2apic };
std::optional<u64> read_msr(Vcpu& vcpu, u32 index);   // of a guest, and not of its APIC, like the next; none: denied
MsrOutcome write_msr(Vcpu& vcpu, u32 index, u64 value);
bool write_control(Vcpu& vcpu, ControlExit const& exit, u64 value);   // false: #GP
bool write_xcr0(Vcpu& vcpu, u64 value);            // false: #GP
bool debug_registers_to_guest(Cpu& cpu, Vcpu& vcpu);   // false: not for this kind of partition

// ---- second-level translation: Space is in arch_types.hpp ----
abi::Status map(Partition& partition, GuestPhysical guest, HostPhysical host, Bytes size, u32 rights, abi::MemoryType type);
void unmap(Partition& partition, GuestPhysical guest, Bytes size);
void invalidate(Machine& machine, Partition& partition);             // on every CPU that ran it, complete on return
void open_ports(Partition& partition);                               // a service, before its vCPUs are made: I/O without exits

// ---- other CPUs and lines ----
void kick(Machine& machine, Cpu& target);          // one IPI
bool route_line(Machine& machine, u32 global_line, bool level, bool active_low, u8 vector, u32 cpu);   // masked so far; false: there is no such line
void mask_line(Machine& machine, u32 global_line, bool masked);
bool message_for(Machine& machine, u32 cpu, u8 vector, u64& message);   // address | data << 32; false: none reaches that CPU
void end_of_interrupt(Cpu& cpu);

// ---- the machine ----
void log_bytes(char const* text, usize length);
void power(Machine& machine, bool reset);

} // namespace kennel::arch
