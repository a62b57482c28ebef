// SPDX-License-Identifier: Apache-2.0
//
// From the processor's exit words to the values of hv/exit.hpp, and into hv's dispatch. Row 1 and 2 of the request path.
// vmx_entry.S calls vmx_handle_exit on an empty stack; what it returns is entered next.
#include "arch/x86/controls.hpp"
#include "arch/x86/cpuid.hpp"
#include "arch/x86/instructions.hpp"
#include "arch/x86/vmx.hpp"
#include "hv/dispatch.hpp"
#include "hv/lib/field.hpp"
#include "hv/log.hpp"
#include "hv/schedule.hpp"

namespace kennel::arch {

namespace {

// SDM, "VMX Basic Exit Reasons".
enum class ExitReason : u16 {
        exception_or_nmi = 0, external_interrupt = 1, triple_fault = 2, interrupt_window = 7, cpuid = 10, getsec = 11, hlt = 12,
        invd = 13, rdpmc = 15, vmcall = 18, vmclear = 19, vmlaunch = 20, vmptrld = 21, vmptrst = 22, vmread = 23, vmresume = 24,
        vmwrite = 25, vmxoff = 26, vmxon = 27, control_register = 28, debug_register = 29, io = 30, rdmsr = 31, wrmsr = 32,
        entry_invalid_state = 33, entry_msr_loading = 34, mwait = 36, monitor = 39, entry_machine_check = 41, ept_violation = 48,
        invept = 50, preemption_timer = 52, invvpid = 53, wbinvd = 54, xsetbv = 55,
};

// SDM, "Exit Qualification for I/O Instructions".
struct IoQualification {
    using Size    = Field< 2,  0, u8>;
    using IsInput = Field< 3,  3, bool>;
    using IsString= Field< 4,  4, bool>;
    using IsRep   = Field< 5,  5, bool>;
    using Port    = Field<31, 16, u16>;
};
// SDM, "VM-Exit Instruction Information", for INS and OUTS.
struct StringInformation {
    using AddressSize = Field< 9,  7, u8>;
    using SegmentReg  = Field<17, 15, u8>;
};
// SDM, "Exit Qualification for Control-Register Accesses".
struct ControlQualification {
    using Register = Field< 3,  0, u8>;
    using Access   = Field< 5,  4, u8>;
    using General  = Field<11,  8, u8>;
};
// SDM, "Exit Qualification for EPT Violations".
struct EptQualification {
    using Read    = Field<0, 0, bool>;
    using Write   = Field<1, 1, bool>;
    using Execute = Field<2, 2, bool>;
};
// SDM, "Format of the VM-Exit Interruption-Information Field".
struct ExitInterruption {
    using Vector   = Field< 7,  0, u8>;
    using Kind     = Field<10,  8, u8>;
    using HasError = Field<11, 11, bool>;
};

constexpr u8 invalid_opcode = 6, general_protection = 13;
constexpr u32 pushing_exceptions = 1u << 8 | 1u << 10 | 1u << 11 | 1u << 12 | 1u << 13 | 1u << 14 | 1u << 17;
constexpr u64 trap_flag = 1u << 8, interrupt_flag = 1u << 9, pending_single_step = 1u << 14, general_detect = 1u << 13;

// Behind the last instruction of 4 GiB comes the first; but `advance` adds as in 64-bit mode, since the processor tells where that was
// wrong: it refuses the entry. SDM, "Checks on Guest RIP, RFLAGS, and SSP". A refused entry changes nothing in the VMCS, so an event
// that it should have injected is still there: "VM-Entry Failures During or After Loading Guest State".
bool wrap_instruction_pointer()
{
    constexpr u64 end = 1ull << 32;
    constexpr u32 longest_instruction = 15, code_64_bit = 1u << 13;
    u64 const rip = vmread(vmcs::guest_rip);
    if (rip - end >= longest_instruction || ((vmread(vmcs::guest_efer) & Efer::lma) && (vmread(vmcs::guest_cs_access) & code_64_bit)))
        return false;
    vmwrite(vmcs::guest_rip, rip - end);
    return true;
}

// Nearly always this vCPU does not go on.
[[gnu::noinline, gnu::cold]] Action decode_fatal(Vcpu& vcpu, ExitReason reason)
{
    using R = ExitReason;
    using abi::StopReason;
    u32 const number = static_cast<u32>(reason);
    switch (reason) {
    case R::triple_fault:        return dispatch(vcpu, FatalExit{"triple fault", StopReason::triple_fault, number, 0});
    case R::exception_or_nmi: case R::entry_machine_check:
                                 return dispatch(vcpu, FatalExit{"machine check", StopReason::mce, 0, 0});
    case R::entry_invalid_state: case R::entry_msr_loading:
        if (wrap_instruction_pointer())
            return Action::resume;
        return dispatch(vcpu, FatalExit{"invalid state", StopReason::invalid_state, number, vmread(vmcs::exit_qualification)});
    default:                     return dispatch(vcpu, FatalExit{"unsupported exit", StopReason::unsupported, number, vmread(vmcs::exit_qualification)});
    }
}

// INS and OUTS: their memory operand is the service's to find.
[[gnu::noinline, gnu::cold]] Action decode_string_port(Vcpu& vcpu, u64 q)
{
    u32 const information = vmread(vmcs::exit_instruction_information);
    bool const is_input = IoQualification::IsInput::get(q);
    return dispatch(vcpu, StringPortExit{IoQualification::Port::get(q), static_cast<u8>(IoQualification::Size::get(q) + 1), is_input,
                                         IoQualification::IsRep::get(q), static_cast<u8>(2 << (StringInformation::AddressSize::get(information) & 3)),
                                         is_input ? u8{0} : StringInformation::SegmentReg::get(information)});
}

Action decode_port(Vcpu& vcpu)
{
    u64 const q = vmread(vmcs::exit_qualification);
    if (IoQualification::IsString::get(q)) [[unlikely]]
        return decode_string_port(vcpu, q);
    return dispatch(vcpu, PortExit{static_cast<u32>(q)});
}

[[gnu::noinline]] Action decode_exception(Vcpu& vcpu)
{
    u32 const information = vmread(vmcs::exit_interruption);
    u8 const vector = ExitInterruption::Vector::get(information);
    if (ExitInterruption::Kind::get(information) == static_cast<u8>(EventKind::nmi)) {
        stop_if_over();
        return dispatch(vcpu, NmiExit{});
    }
    if (vector == 18)
        return decode_fatal(vcpu, ExitReason::exception_or_nmi);
    bool const has_error = ExitInterruption::HasError::get(information);
    return dispatch(vcpu, ExceptionExit{vector, has_error, has_error ? vmread(vmcs::exit_error_code) : 0, vmread(vmcs::exit_qualification)});
}

[[gnu::noinline]] Action decode_control(Vcpu& vcpu)
{
    u64 const q = vmread(vmcs::exit_qualification);
    u8 const access = ControlQualification::Access::get(q), which = ControlQualification::Register::get(q);
    using Register = ControlExit::Register;
    // CLTS and LMSW touch guest-owned bits only, so they exit for a service alone; CR3 never exits.
    if (access > 1 || (which != 0 && which != 4 && which != 8))
        return decode_fatal(vcpu, ExitReason::control_register);
    u8 const general = ControlQualification::General::get(q);
    if (general == 4) [[unlikely]]
        vcpu.registers().rsp = vmread(vmcs::guest_rsp);
    return dispatch(vcpu, ControlExit{which == 0 ? Register::cr0 : which == 4 ? Register::cr4 : Register::cr8, access == 0, general});
}

Action decode(Vcpu& vcpu, u16 reason)
{
    using R = ExitReason;
    switch (static_cast<R>(reason)) {
    case R::cpuid:              return dispatch(vcpu, CpuidExit{});
    case R::vmcall:             return dispatch(vcpu, HypercallExit{});
    case R::hlt:                return dispatch(vcpu, HaltExit{});
    case R::io:                 return decode_port(vcpu);
    case R::rdmsr:              return dispatch(vcpu, MsrReadExit{static_cast<u32>(vcpu.registers().rcx)});
    case R::wrmsr:              return dispatch(vcpu, MsrWriteExit{static_cast<u32>(vcpu.registers().rcx)});
    case R::external_interrupt: return dispatch(vcpu, InterruptExit{ExitInterruption::Vector::get(vmread(vmcs::exit_interruption))});
    case R::interrupt_window:
        vmwrite(vmcs::primary_controls, vmread(vmcs::primary_controls) & ~primary_interrupt_window);
        return dispatch(vcpu, WindowExit{});
    case R::ept_violation: {
        u64 const q = vmread(vmcs::exit_qualification);
        bool const during_delivery = vmread(vmcs::idt_vectoring) & event_valid;
        return dispatch(vcpu, MemoryExit{{vmread(vmcs::guest_physical_address)}, EptQualification::Read::get(q), EptQualification::Write::get(q),
                                         EptQualification::Execute::get(q), during_delivery});
    }
    case R::exception_or_nmi:   return decode_exception(vcpu);
    case R::control_register:   return decode_control(vcpu);
    case R::debug_register:     return dispatch(vcpu, DebugRegisterExit{});
    case R::preemption_timer:   return dispatch(vcpu, WatchdogExit{});
    case R::xsetbv:             return dispatch(vcpu, XsetbvExit{});
    case R::invd: case R::wbinvd:  return dispatch(vcpu, CacheExit{});
    case R::vmclear: case R::vmlaunch: case R::vmptrld: case R::vmptrst: case R::vmread: case R::vmresume: case R::vmwrite: case R::vmxoff: case R::vmxon:
    case R::invept: case R::invvpid: case R::getsec: case R::mwait: case R::monitor:
                             return dispatch(vcpu, DeniedExit{invalid_opcode, false});
    case R::rdpmc:              return dispatch(vcpu, DeniedExit{general_protection, true});
    default:                    return decode_fatal(vcpu, static_cast<R>(reason));
    }
}

} // namespace

// An external interrupt ends a guest's run whatever its IF is, says the SDM ("External-interrupt exiting"). Bochs forgets that
// when a guest is entered with IF clear, until it changes IF: a guest that spins or exits with interrupts off would own the
// CPU. So hv looks by itself: the preemption timer ends long runs, and every 16th exit with IF clear takes what is pending.
// On a processor that costs an exit every few milliseconds of uninterrupted running, and finds nothing.
static void look_for_interrupts(Cpu& cpu)
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

// ---- what hv asks about the exit just taken ----

u64 instruction_length(Vcpu&) { return vmread(vmcs::exit_instruction_length); }

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
    if (blocked & (blocking_by_sti | blocking_by_mov_ss)) [[unlikely]]
        vmwrite(vmcs::guest_interruptibility, blocked & ~(blocking_by_sti | blocking_by_mov_ss));
    u64 const rflags = vmread(vmcs::guest_rflags);
    if ((rflags & (trap_flag | interrupt_flag)) == interrupt_flag) [[likely]]
        return true;
    step_over_specially(rflags);
    return rflags & interrupt_flag;
}

bool skip_instruction(Vcpu&) { return advance(vmread(vmcs::exit_instruction_length)); }

// The answer to an intercept: this vCPU is almost always entered next, so its VMCS becomes current for good.
static void load_for_good(Vcpu& vcpu)
{
    if (vcpu.cpu->arch.loaded != &vcpu)
        load_vcpu(*vcpu.cpu, vcpu);
}

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
        if ((vmread(vmcs::guest_interruptibility) & (blocking_by_sti | blocking_by_mov_ss)) && (vmread(vmcs::guest_rflags) & trap_flag))
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

bool at_privilege_zero(Vcpu&)
{
    // SDM, "Access Rights": the privilege level of SS is the CPL, in every mode.
    return ((vmread(vmcs::guest_ss_access) >> 5) & 3) == 0;
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
    if ((vmread(vmcs::entry_interruption) & event_valid) || !(vmread(vmcs::guest_rflags) & 0x200) ||
        (vmread(vmcs::guest_interruptibility) & (blocking_by_sti | blocking_by_mov_ss)))
        return open_window();
    vcpu.apic.deliver(static_cast<u8>(vector));
    vcpu.counters->injected++;
    inject_interrupt(vcpu, static_cast<u8>(vector));
    if (vcpu.apic.highest_pending() >= 0) [[unlikely]]
        open_window();
}

[[gnu::always_inline]] void fill_exit_state(Vcpu& vcpu, abi::ExecutionState& state)
{
    using namespace vmcs;
    state.rip = vmread(guest_rip);
    state.rflags = vmread(guest_rflags);
    state.cr0 = vmread(guest_cr0);
    state.cr3 = vmread(guest_cr3);
    state.cr4 = vmread(guest_cr4);
    state.efer = vmread(guest_efer);
    state.cs_base = vmread(guest_cs_base);
    state.fs_base = vmread(guest_fs_base);
    state.gs_base = vmread(guest_gs_base);
    state.cs_access = vmread(guest_cs_access);
    // SDM, "Segmentation in IA-32e Mode": in 64-bit code these three count as 0.
    bool const flat = state.cs_access & (1u << 13);
    state.ss_base = flat ? 0 : vmread(guest_ss_base);
    state.ds_base = flat ? 0 : vmread(guest_ds_base);
    state.es_base = flat ? 0 : vmread(guest_es_base);
    state.cpl = (vmread(guest_ss_access) >> 5) & 3;
    state.complete = 1;
    vcpu.registers().rsp = vmread(guest_rsp);
}

[[gnu::noinline]] void fill_execution_state(Vcpu& vcpu, abi::ExecutionState& state)
{
    load_for_good(vcpu);
    fill_exit_state(vcpu, state);
}

} // namespace kennel::arch

[[gnu::noinline]] static void give_way(kennel::Cpu& cpu)
{
    using namespace kennel;
    cpu.current->attention &= ~Attention::yield;
    schedule(cpu);
    if (cpu.arch.loaded != cpu.current)
        arch::load_vcpu(cpu, *cpu.current);
}

// The one to enter next has something to be done first, perhaps give way to another.
[[gnu::noinline, clang::preserve_none]] static kennel::abi::Registers* attend(kennel::Cpu& cpu)
{
    using namespace kennel;
    if (cpu.current->attention & Attention::yield) [[unlikely]]
        give_way(cpu);
    arch::prepare_entry(cpu, *cpu.current);
    return &cpu.current->registers();
}

// No register is preserved: nothing above this frame needs one, and each would cost two instructions at every exit.
[[clang::preserve_none]] kennel::abi::Registers* vmx_handle_exit(kennel::Cpu* cpu, kennel::Vcpu* vcpu, kennel::u64 reason)
{
    using namespace kennel;
    static_assert(offsetof(Cpu, current) == 0xd8, "vmx_entry.S reads it");
    Action const action = arch::decode(*vcpu, static_cast<u16>(reason));
    if (action != Action::resume) {
        if (action == Action::reschedule) [[unlikely]]
            schedule(*cpu);
        vcpu = cpu->current;
        if (cpu->arch.loaded != vcpu)
            arch::load_vcpu(*cpu, *vcpu);
    }
    if (vcpu->attention) [[unlikely]]
        return attend(*cpu);
    return &vcpu->registers();
}
