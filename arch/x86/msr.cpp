// SPDX-License-Identifier: Apache-2.0
//
// The MSR policy. What is not here gives #GP (unless the service bound it): default-deny, in one table with a reason
// per row. The registers a vCPU has to itself never exit, see open_msr in vmx.cpp.
#include "arch/x86/controls.hpp"
#include "arch/x86/instructions.hpp"
#include "arch/x86/vmx.hpp"
#include "hv/cpu.hpp"

namespace kennel::arch {

namespace {

// What a read gives and a write does.
enum class Rule : u8 {
    constant,      // reads the value; a write is refused
    ignore,        // reads the value; a write is dropped: Linux writes it unguarded or harmlessly
    kept,          // reads what was written last, `value` says which of VcpuArch::kept it is
    apic_base, efer, pat, tsc,
};

struct Row { u32 index; Rule rule; u64 value; char const* reason; };

constexpr Row rows[] = {
    { Msr::tsc,               Rule::tsc,          0,       "a write is dropped: the TSC is the machine's clock, offset 0" },
    { Msr::apic_base,         Rule::apic_base,    0,       "x2APIC mode, which a guest cannot leave" },
    { Msr::feature_control,   Rule::constant,     1,       "locked, no VT-x inside" },
    { Msr::tsc_adjust,        Rule::kept,         1,       "kept, without effect; firmware left 0" },
    { Msr::bios_sign_id,      Rule::ignore,       1ull << 32, "microcode revision 1: Linux reads it unguarded" },
    { Msr::platform_info,     Rule::constant,     0,       "no ratios to report: the frequency is in CPUID 15h" },
    { Msr::mtrr_cap,          Rule::constant,     0,       "no variable or fixed ranges: EPT has the types" },
    { Msr::mcg_cap,           Rule::constant,     0,       "no machine-check banks: the machine's are not the guest's" },
    { Msr::mcg_status,        Rule::ignore,       0,       "goes with it" },
    { Msr::misc_enable,       Rule::kept,         2,       "fast strings as the machine has them; read at start by every kernel" },
    { Msr::debugctl,          Rule::ignore,       0,       "LBR and BTS are off (XSA-269): what is written stays 0" },
    { Msr::pat,               Rule::pat,          0,       "in the VMCS; checked as the processor would" },
    { Msr::mtrr_def_type,     Rule::kept,         0,       "Linux turns it off and on around its PAT setup" },
    { Msr::efer,              Rule::efer,         0,       "in the VMCS; LMA follows LME and paging" },
    { 0x17,                   Rule::constant,     0,       "PLATFORM_ID: slot 0" },
};

Row const* find(u32 index)
{
    for (Row const& row : rows)
        if (row.index == index)
            return &row;
    return nullptr;
}

// SDM, "IA32_APIC_BASE MSR": enabled, x2APIC, and the boot processor's flag.
u64 apic_base_value(Vcpu const& vcpu) { return 0xfee0'0000 | bit(11) | bit(10) | (vcpu.apic.id() == 0 ? bit(8) : 0); }

bool write_pat(u64 value)
{
    for (unsigned i = 0; i < 8; i++)
        if (u64 const type = (value >> (8 * i)) & 0xff; type > 7 || type == 2 || type == 3)
            return false;
    vmwrite(vmcs::guest_pat, value);
    return true;
}

bool write_efer(u64 value)
{
    u64 const before = vmread(vmcs::guest_efer);
    if (value & ~(Efer::sce | Efer::lme | Efer::lma | Efer::nxe))
        return false;
    // SDM, "IA-32e Mode Activation": LME may not change while paging is on.
    if (((value ^ before) & Efer::lme) && (vmread(vmcs::guest_cr0) & Cr0::pg))
        return false;
    vmwrite(vmcs::guest_efer, (value & ~Efer::lma) | (before & Efer::lma));
    return true;
}

} // namespace

std::optional<u64> read_msr(Vcpu& vcpu, u32 index)
{
    Row const* row = find(index);
    if (!row)
        return std::nullopt;
    switch (row->rule) {
    case Rule::constant: case Rule::ignore: return row->value;
    case Rule::apic_base:    return apic_base_value(vcpu);
    case Rule::efer:         return vmread(vmcs::guest_efer);
    case Rule::pat:          return vmread(vmcs::guest_pat);
    case Rule::kept:         return vcpu.arch.kept[row->value];
    case Rule::tsc:          return rdtsc();
    }
    return std::nullopt;
}

MsrOutcome write_msr(Vcpu& vcpu, u32 index, u64 value)
{
    Row const* row = find(index);
    if (!row)
        return MsrOutcome::denied;
    switch (row->rule) {
    case Rule::constant:     return MsrOutcome::denied;
    case Rule::ignore: case Rule::tsc: break;
    case Rule::apic_base:
        if ((value ^ apic_base_value(vcpu)) & ~bit(8))
            return (value & (bit(10) | bit(11))) == (bit(10) | bit(11)) ? MsrOutcome::denied : MsrOutcome::left_x2apic;
        break;
    case Rule::efer:         return write_efer(value) ? MsrOutcome::done : MsrOutcome::denied;
    case Rule::pat:          return write_pat(value) ? MsrOutcome::done : MsrOutcome::denied;
    case Rule::kept:         vcpu.arch.kept[row->value] = value; break;
    }
    return MsrOutcome::done;
}

// CR0 and CR4 exit only when a guest changes a bit that is hv's. hv never carries the write out itself: it would need
// the guest's page tables (PDPTEs). An allowed change goes into the read shadow; then the retried instruction differs
// from the shadow in guest-owned bits only, and the processor does it all.
bool write_control(Vcpu&, ControlExit const& exit, u64 value)
{
    if (!exit.is_write || exit.which != ControlExit::Register::cr0)
        return false;                          // CR4: a bit that is not offered
    if ((value >> 32) || ((value & Cr0::nw) && !(value & Cr0::cd)) || ((value & Cr0::pg) && !(value & Cr0::pe)))
        return false;
    vmwrite(vmcs::cr0_shadow, (vmread(vmcs::cr0_shadow) & ~cr0_guest_mask) | (value & cr0_guest_mask));
    return true;
}

} // namespace kennel::arch
