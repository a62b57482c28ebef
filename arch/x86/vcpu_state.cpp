// SPDX-License-Identifier: Apache-2.0
//
// The state of a vCPU for its service: what it needs for an intercept, and the whole, to and from. What the service sets is data: bits
// that are hv's are replaced, bits that the processor would refuse at entry are refused here or come back as an invalid-state exit.
#include "arch/x86/controls.hpp"
#include "arch/x86/cpuid.hpp"
#include "arch/x86/instructions.hpp"
#include "arch/x86/vmx.hpp"
#include <cstring>
#include <iterator>

namespace kennel::arch {

namespace {

// In the order of the VMCS, whose fields of one kind follow each other: SDM, "Field Encoding in VMCS", the index in bits 9:1.
constexpr abi::Segment abi::VcpuState::* segments[] = {&abi::VcpuState::es, &abi::VcpuState::cs, &abi::VcpuState::ss, &abi::VcpuState::ds,
                                                       &abi::VcpuState::fs, &abi::VcpuState::gs, &abi::VcpuState::ldtr, &abi::VcpuState::tr};
template<class T> constexpr VmcsField<T> nth(VmcsField<T> first, u32 n) { return {first.encoding + 2 * n}; }

// Words that are what the service sets, but for bits that have one value.
struct WordField { VmcsField<u64> field; u64 abi::VcpuState::*place; u64 free, set; };
constexpr WordField words[] = {
    {vmcs::guest_rip,    &abi::VcpuState::rip,    ~0ull,        0},
    {vmcs::guest_rflags, &abi::VcpuState::rflags, 0x3f'7fd5,    2},
    {vmcs::guest_cr3,    &abi::VcpuState::cr3,    ~0ull,        0},
    {vmcs::guest_efer,   &abi::VcpuState::efer,   ~0ull,        0},
    {vmcs::guest_dr7,    &abi::VcpuState::dr7,    0xffff'2bff,  0x400},
};

} // namespace

void get_state(Vcpu& vcpu, abi::VcpuState& state)
{
    LoadedVmcs const loaded{vcpu};
    using namespace vmcs;
    for (WordField const& word : words)
        state.*word.place = vmread(word.field);
    state.cr0 = (vmread(guest_cr0) & ~cr0_guest_mask) | (vmread(cr0_shadow) & cr0_guest_mask);
    state.cr2 = vcpu.cpu->arch.context == &vcpu ? read_cr2() : vcpu.arch.context.cr2;
    state.cr4 = (vmread(guest_cr4) & cr4_offered) | (vmread(cr4_shadow) & ~cr4_offered);
    for (u32 i = 0; i < std::size(segments); i++)
        state.*segments[i] = {vmread(nth(guest_es_base, i)), vmread(nth(guest_es_limit, i)), vmread(nth(guest_es_access, i)), vmread(nth(guest_es, i)), {}};
    state.gdtr = {vmread(guest_gdtr_base), vmread(guest_gdtr_limit), 0};
    state.idtr = {vmread(guest_idtr_base), vmread(guest_idtr_limit), 0};
    state.activity = vmread(guest_activity);
    state.interruptibility = vmread(guest_interruptibility);
    vcpu.registers().rsp = vmread(guest_rsp);
}

abi::Status set_state(Vcpu& vcpu, abi::VcpuState const& state)
{
    if ((!vcpu.is_service() && (state.cr4 & ~cr4_offered)) || (state.efer & ~(Efer::sce | Efer::lme | Efer::lma | Efer::nxe)) || state.activity > 1)
        return abi::Status::bad_argument;
    LoadedVmcs const loaded{vcpu};
    using namespace vmcs;
    u64 const cr0_fixed = Cr0::ne | Cr0::et, cr0_forbidden = Cr0::cd | Cr0::nw;
    // A service runs with TS set, so that touching the FPU exits: its registers may be another's.
    u64 const service_bits = vcpu.is_service() ? Cr0::ts : 0;
    for (WordField const& word : words)
        vmwrite(word.field, (state.*word.place & word.free) | word.set);
    vmwrite(guest_rsp, vcpu.registers().rsp);
    vmwrite(guest_cr0, (state.cr0 & ~cr0_forbidden & 0xffff'ffff) | cr0_fixed | service_bits);
    vmwrite(cr0_shadow, state.cr0 & 0xffff'ffff);
    vmwrite(guest_cr4, state.cr4 | Cr4::vmxe | Cr4::mce);
    vmwrite(cr4_shadow, state.cr4);
    for (u32 i = 0; i < std::size(segments); i++) {
        abi::Segment const& segment = state.*segments[i];
        vmwrite(nth(guest_es, i), segment.selector);
        vmwrite(nth(guest_es_base, i), segment.base);
        vmwrite(nth(guest_es_limit, i), segment.limit);
        vmwrite(nth(guest_es_access, i), segment.access & 0x1'f0ff);
    }
    vmwrite(guest_gdtr_base, state.gdtr.base);
    vmwrite(guest_gdtr_limit, state.gdtr.limit & 0xffff);
    vmwrite(guest_idtr_base, state.idtr.base);
    vmwrite(guest_idtr_limit, state.idtr.limit & 0xffff);
    vmwrite(guest_activity, 0u);
    vmwrite(guest_interruptibility, state.interruptibility & 0xb);
    vmwrite(guest_pending_debug, 0ull);
    vmwrite(guest_pat, pat_of_reset);
    vmwrite(entry_interruption, 0u);
    u32 const entry = vmread(vmcs::entry_controls) & ~entry_ia32e_mode;
    vmwrite(vmcs::entry_controls, entry | (state.efer & Efer::lma ? entry_ia32e_mode : 0));
    if (!vcpu.is_service()) {
        drop_context(*vcpu.cpu, vcpu);
        reset_context(vcpu.arch.context);
        vcpu.arch.context.cr2 = state.cr2;
        // MTRRs on, all write-back; and whether REP MOVS and STOS are fast is the machine's to say, as in CPUID 7.
        u64 const kept[] = {0xc06, 0, rdmsr(Msr::misc_enable) & 1};
        memcpy(vcpu.arch.kept, kept, sizeof vcpu.arch.kept);
        vmwrite(vmcs::primary_controls, vmread(vmcs::primary_controls) | primary_mov_dr);
    }
    return abi::Status::ok;
}

// SDM, "Access Rights": the privilege level of SS is the CPL, in every mode.
static u32 privilege_level() { return (vmread(vmcs::guest_ss_access) >> 5) & 3; }

bool at_privilege_zero(Vcpu&) { return privilege_level() == 0; }

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
    bool const flat = state.cs_access & code_64_bit;
    state.ss_base = flat ? 0 : vmread(guest_ss_base);
    state.ds_base = flat ? 0 : vmread(guest_ds_base);
    state.es_base = flat ? 0 : vmread(guest_es_base);
    state.cpl = privilege_level();
    state.complete = 1;
    vcpu.registers().rsp = vmread(guest_rsp);
}

[[gnu::noinline]] void fill_execution_state(Vcpu& vcpu, abi::ExecutionState& state)
{
    load_for_good(vcpu);
    fill_exit_state(vcpu, state);
}

} // namespace kennel::arch
