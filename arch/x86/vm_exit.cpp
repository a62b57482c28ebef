// SPDX-License-Identifier: Apache-2.0
//
// From the processor's exit words to the values of hv/exit.hpp, and into hv's dispatch. Row 1 and 2 of the request path.
// vmx_entry.S calls vmx_handle_exit on an empty stack; what it returns is entered next.
#include "arch/x86/controls.hpp"
#include "arch/x86/vmx.hpp"
#include "hv/dispatch.hpp"
#include "hv/lib/field.hpp"
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
