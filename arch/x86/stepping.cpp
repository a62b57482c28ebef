// SPDX-License-Identifier: Apache-2.0
//
// Behind the instruction of an exit: where the guest goes on, and what ends with that instruction. And since a guest may do nothing but
// exit with interrupts off: looking for the host's.
#include "arch/x86/instructions.hpp"
#include "arch/x86/vmx.hpp"
#include "hv/schedule.hpp"

namespace kennel::arch {

u64 instruction_length(Vcpu&) { return vmread(vmcs::exit_instruction_length); }

// An external interrupt ends a guest's run whatever its IF is, says the SDM ("External-interrupt exiting"). Bochs forgets that
// when a guest is entered with IF clear, until it changes IF: a guest that spins or exits with interrupts off would own the
// CPU. So hv looks by itself: the preemption timer ends long runs, and every 16th exit with IF clear takes what is pending.
// On a processor that costs an exit every few milliseconds of uninterrupted running, and finds nothing.
void look_for_interrupts(Cpu& cpu)
{
    if (++cpu.arch.exits_with_if_clear % 16)
        return;
    take_pending_interrupts(cpu);
    if (!cpu.attention && rdtsc() < cpu.slice_end)
        return;
    if (cpu.current && !cpu.current->is_service())
        cpu.current->attention |= Attention::yield;
    else
        cpu.attention = true;                  // this guest is being answered, here or from another CPU: then another is chosen
}

// What is rare about an instruction that is stepped over.
[[gnu::noinline]] static void step_over_specially(u64 rflags)
{
    // Single-stepped, it traps behind itself like any other: SDM, "Pending Debug Exceptions", BS.
    if (rflags & trap_flag)
        vmwrite(vmcs::guest_pending_debug, vmread(vmcs::guest_pending_debug) | pending_single_step);
    if (!(rflags & interrupt_flag))
        look_for_interrupts(this_cpu());
}

// SDM, "Interruptibility State": an instruction that completes ends the shadow of a STI or MOV SS before it. See wrap_instruction_pointer.
static bool advance(u64 length)
{
    vmwrite(vmcs::guest_rip, vmread(vmcs::guest_rip) + length);
    u32 const blocked = vmread(vmcs::guest_interruptibility);
    if (blocked & interrupt_shadow) [[unlikely]]
        vmwrite(vmcs::guest_interruptibility, blocked & ~interrupt_shadow);
    u64 const rflags = vmread(vmcs::guest_rflags);
    if ((rflags & (trap_flag | interrupt_flag)) == interrupt_flag) [[likely]]
        return true;
    step_over_specially(rflags);
    return rflags & interrupt_flag;
}

bool skip_instruction(Vcpu&) { return advance(vmread(vmcs::exit_instruction_length)); }

void skip_bytes(Vcpu& vcpu, u32 length)
{
    load_for_good(vcpu);
    advance(length);
}

void set_status_flags(Vcpu& vcpu, u64 flags)
{
    load_for_good(vcpu);
    constexpr u64 status = 0x8d5;
    vmwrite(vmcs::guest_rflags, (vmread(vmcs::guest_rflags) & ~status) | (flags & status));
}

// Behind the last instruction of 4 GiB comes the first; but `advance` adds as in 64-bit mode, since the processor tells where that was
// wrong: it refuses the entry. SDM, "Checks on Guest RIP, RFLAGS, and SSP". A refused entry changes nothing in the VMCS, so an event
// that it should have injected is still there: "VM-Entry Failures During or After Loading Guest State".
[[gnu::cold]] bool wrap_instruction_pointer()
{
    constexpr u64 end = 1ull << 32;
    constexpr u32 longest_instruction = 15;
    u64 const rip = vmread(vmcs::guest_rip);
    if (rip - end >= longest_instruction || ((vmread(vmcs::guest_efer) & Efer::lma) && (vmread(vmcs::guest_cs_access) & code_64_bit)))
        return false;
    vmwrite(vmcs::guest_rip, rip - end);
    return true;
}

} // namespace kennel::arch
