// SPDX-License-Identifier: Apache-2.0
//
// Events into a guest: exceptions, the interrupts its APIC has, what an exit interrupted. SDM, "Event Injection". One for each entry; what
// the guest cannot take yet waits for its window. And the watchdog, which brings back a guest that does not exit.
#include "arch/x86/controls.hpp"
#include "arch/x86/instructions.hpp"
#include "arch/x86/vmx.hpp"
#include "hv/schedule.hpp"

namespace kennel::arch {

constexpr u32 pushing_exceptions = 1u << 8 | 1u << 10 | 1u << 11 | 1u << 12 | 1u << 13 | 1u << 14 | 1u << 17;
constexpr u64 general_detect = 1u << 13;       // DR7

void set_fault_address(Vcpu& vcpu, u64 address)
{
    // CR2 is not in the VMCS; it is in the processor while its guest's context is.
    vcpu.arch.context.cr2 = address;
    if (vcpu.cpu->arch.context == &vcpu)
        write_cr2(address);
}

[[gnu::noinline]] void inject_exception(Vcpu& vcpu, u8 vector, std::optional<u32> error)
{
    LoadedVmcs const loaded{vcpu};
    // SDM, "Checks on VM-Entry Control Fields": who pushes an error code must have one, and nobody else; in real mode none does.
    bool const pushes = (pushing_exceptions >> vector & 1) && (vmread(vmcs::guest_cr0) & Cr0::pe);
    if (pushes)
        vmwrite(vmcs::entry_error_code, error.value_or(0));
    vmwrite(vmcs::entry_interruption, event_word(vector, EventKind::exception, pushes));
    vcpu.attention |= Attention::interrupt;    // an interrupt waits until this is delivered
}

[[gnu::noinline]] bool reflect_exception(Vcpu& vcpu, ExceptionExit const& exit)
{
    // SDM, "Double Fault Exception": what the exit interrupted decides what is delivered now.
    u32 const vectoring = vmread(vmcs::idt_vectoring);
    auto contributory = [](u8 v) { return v == 0 || (v >= 10 && v <= 13); };
    if ((vectoring & event_valid) && ((vectoring >> 8) & 7) == static_cast<u32>(EventKind::exception)) {
        u8 const first = static_cast<u8>(vectoring);
        if (first == 8)
            return false;                      // a fault while delivering a double fault: shutdown
        if ((contributory(first) || first == 14) && (contributory(exit.vector) || exit.vector == 14)) {
            inject_exception(vcpu, 8, 0u);
            return true;
        }
    }
    if (exit.vector == 1) {
        // The exit left DR6 alone; its qualification has the bits. SDM, "Debug Exceptions".
        u64 const bits = exit.qualification & 0x600f;
        GuestContext& context = vcpu.arch.context;
        u64 const before = context.debug_loaded ? read_dr<6>() : context.dr6;
        context.dr6 = (before & ~0xfull) | bits;
        if (context.debug_loaded)
            write_dr<6>(context.dr6);
        vmwrite(vmcs::guest_dr7, vmread(vmcs::guest_dr7) & ~general_detect);   // its handler may use them: SDM, "Debug Control Register (DR7)"
        // SDM, "Checks on Guest Non-Register State": single-stepping behind STI or MOV SS needs the pending bit BS.
        if ((vmread(vmcs::guest_interruptibility) & interrupt_shadow) && (vmread(vmcs::guest_rflags) & trap_flag))
            vmwrite(vmcs::guest_pending_debug, vmread(vmcs::guest_pending_debug) | pending_single_step);
    }
    inject_exception(vcpu, exit.vector, exit.has_error ? std::optional{exit.error_code} : std::nullopt);
    look_for_interrupts(*vcpu.cpu);            // it may be the only kind of exit this guest has: CVE-2015-5307, CVE-2015-8104
    return true;
}

[[gnu::noinline]] void reinject_interrupted_delivery(Vcpu& vcpu)
{
    LoadedVmcs const loaded{vcpu};
    u32 const vectoring = vmread(vmcs::idt_vectoring);
    if (!(vectoring & event_valid))
        return;
    u32 const kind = (vectoring >> 8) & 7;
    if (vectoring & event_has_error)
        vmwrite(vmcs::entry_error_code, vmread(vmcs::idt_vectoring_error));
    if (kind >= static_cast<u32>(EventKind::software_interrupt))
        vmwrite(vmcs::entry_instruction_length, static_cast<u32>(vmread(vmcs::exit_instruction_length)));
    if (kind == static_cast<u32>(EventKind::nmi))
        vmwrite(vmcs::guest_interruptibility, vmread(vmcs::guest_interruptibility) & ~blocking_by_nmi);
    vmwrite(vmcs::entry_interruption, vectoring & ~(1u << 12));    // bit 12 is undefined here and reserved there
}

[[gnu::noinline, gnu::cold]] static void open_window() { vmwrite(vmcs::primary_controls, vmread(vmcs::primary_controls) | primary_interrupt_window); }

void inject_interrupt(Vcpu&, u8 vector) { vmwrite(vmcs::entry_interruption, event_word(vector, EventKind::interrupt, false)); }

static void wind_watchdog(Cpu& cpu)
{
    HostFeatures const& features = host_features();
    if (!features.preemption_timer)
        return;
    u64 const longest = cpu.machine->boot->tsc_hz / 1000 * watchdog_ms, now = rdtsc();
    u64 const end = cpu.gather_deadline < cpu.slice_end ? cpu.gather_deadline : cpu.slice_end, left = end > now ? end - now : 1;
    u64 const value = (left < longest ? left : longest) >> features.preemption_shift;
    vmwrite(vmcs::preemption_timer, static_cast<u32>(value < 0xffff'ffff ? value + 1 : value));
}

[[gnu::always_inline]] void prepare_entry(Cpu& cpu, Vcpu& vcpu)
{
    if (vcpu.attention & Attention::watchdog) [[unlikely]]
        wind_watchdog(cpu);
    vcpu.attention = 0;
    int const vector = vcpu.apic.highest_pending();
    if (vector < 0)
        return;
    // One event per entry, and none while the guest cannot take it: then the window exit brings us back.
    if ((vmread(vmcs::entry_interruption) & event_valid) || !(vmread(vmcs::guest_rflags) & interrupt_flag) ||
        (vmread(vmcs::guest_interruptibility) & interrupt_shadow))
        return open_window();
    vcpu.apic.deliver(static_cast<u8>(vector));
    vcpu.counters->injected++;
    inject_interrupt(vcpu, static_cast<u8>(vector));
    if (vcpu.apic.highest_pending() >= 0) [[unlikely]]
        open_window();
}

} // namespace kennel::arch
