// SPDX-License-Identifier: Apache-2.0
//
// VMX root mode and the VMCS of a vCPU.
#pragma once
#include "arch/x86/host.hpp"
#include "arch/x86/vmcs.hpp"

extern "C" {
void vmx_exit();
[[noreturn]] void vmx_start(kennel::abi::Registers* registers, kennel::u64 stack, kennel::Cpu* cpu);
[[clang::preserve_none]] kennel::abi::Registers* vmx_handle_exit(kennel::Cpu* cpu, kennel::Vcpu* vcpu, kennel::u64 reason);
[[noreturn]] void vmx_entry_refused(kennel::Cpu* cpu);
}

namespace kennel::arch {

// SDM, "Format of the VM-Entry Interruption-Information Field".
enum class EventKind : u32 { interrupt = 0, nmi = 2, exception = 3, software_interrupt = 4, privileged_software = 5, software_exception = 6 };
constexpr u32 event_valid = 1u << 31, event_has_error = 1u << 11;
constexpr u32 event_word(u8 vector, EventKind kind, bool has_error)
{
    return vector | (static_cast<u32>(kind) << 8) | (has_error ? event_has_error : 0) | event_valid;
}

// SDM, "Format of Interruptibility State".
constexpr u32 interrupt_shadow = 3, blocking_by_nmi = 8;      // the shadow of a STI or of a MOV SS
constexpr u64 trap_flag = 1u << 8, interrupt_flag = 1u << 9;   // RFLAGS
constexpr u32 code_64_bit = 1u << 13;                          // access rights of CS, L
constexpr u64 pending_single_step = 1u << 14;                  // SDM, "Pending Debug Exceptions", BS

// The VMCS fields touched here belong to `vcpu`, whatever is current on this CPU.
class LoadedVmcs {
public:
    explicit LoadedVmcs(Vcpu& vcpu);
    ~LoadedVmcs();
    LoadedVmcs(LoadedVmcs const&) = delete;
    LoadedVmcs& operator=(LoadedVmcs const&) = delete;
private:
    Cpu&  cpu_;
    Vcpu& vcpu_;
    Vcpu* before_;
};

// The answer to an intercept: this vCPU is almost always entered next, so its VMCS becomes current for good.
inline void load_for_good(Vcpu& vcpu)
{
    if (vcpu.cpu->arch.loaded != &vcpu)
        load_vcpu(*vcpu.cpu, vcpu);
}

// stepping.cpp
void look_for_interrupts(Cpu& cpu);         // of the host, while a guest keeps them off
bool wrap_instruction_pointer();             // of a vCPU whose entry was refused; true: that was it

} // namespace kennel::arch
