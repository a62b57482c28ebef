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
constexpr u32 blocking_by_sti = 1, blocking_by_mov_ss = 2, blocking_by_nmi = 8;

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

} // namespace kennel::arch
