// SPDX-License-Identifier: Apache-2.0
//
// See processor.hpp. SDM volume 3, "Discovering Support for VMX" and "VMX Capability Reporting Facility".
#include "boot/processor.hpp"
#include "boot/instructions.hpp"
#include <cstring>

namespace kennel::boot {

namespace {

constexpr u32 msr_feature_control = 0x3a;
constexpr u32 msr_vmx_basic       = 0x480;
constexpr u32 msr_vmx_pin         = 0x481;
constexpr u32 msr_vmx_primary     = 0x482;
constexpr u32 msr_vmx_secondary   = 0x48b;
constexpr u32 msr_vmx_ept_vpid    = 0x48c;

constexpr bool bit(u64 value, u32 number) { return ((value >> number) & 1) != 0; }

// The high half of a VMX control MSR says which controls may be 1. "VM-Execution Controls" in the capability appendix.
bool may_set(u32 msr, u32 control) { return bit(read_msr(msr), 32 + control); }

struct Vendor { char text[13]; };

Vendor vendor()
{
    CpuidLeaf const leaf = cpuid(0);
    Vendor name{};
    std::memcpy(name.text, &leaf.ebx, 4);
    std::memcpy(name.text + 4, &leaf.edx, 4);
    std::memcpy(name.text + 8, &leaf.ecx, 4);
    return name;
}

u32 last_extended_leaf() { return cpuid(0x8000'0000).eax; }
bool has_long_mode_feature(u32 number) { return last_extended_leaf() >= 0x8000'0001 && bit(cpuid(0x8000'0001).edx, number); }

struct Ability {
    bool        present;
    char const* name;
    char const* otherwise;   // what it means, or what to do, when it is not there
};

void check_vmx(Screen& screen)
{
    // Without secondary controls their capability MSRs do not exist.
    bool const secondary = may_set(msr_vmx_primary, 31);
    auto const control = [&](u32 number) { return secondary && may_set(msr_vmx_secondary, number); };
    bool const ept = control(1), vpid = control(5), unrestricted = control(7);
    u64 const paging = ept || vpid ? read_msr(msr_vmx_ept_vpid) : 0;

    constexpr char const* newer = "; use a machine with a processor that has it (Intel from 2010 on: Westmere or later)";
    Ability const required[] = {
        {bit(read_msr(msr_vmx_basic), 55),      "VMX controls that may be off (TRUE capabilities)", newer},
        {secondary,                            "secondary processor-based VM-execution controls", newer},
        {ept,                                  "EPT (extended page tables)", newer},
        {!ept || bit(paging, 6),                "EPT with a page walk of 4 levels", newer},
        {!ept || bit(paging, 14),               "EPT with write-back memory", newer},
        {!ept || bit(paging, 16),               "EPT with 2 MiB leaves", newer},
        {!ept || (bit(paging, 20) && bit(paging, 26)), "INVEPT for all contexts", newer},
        {unrestricted,                         "unrestricted guest", newer},
        {vpid,                                 "VPID (virtual processor identifiers)", newer},
        {!vpid || (bit(paging, 32) && bit(paging, 42)), "INVVPID for all contexts", newer},
        {bit(cpuid(1).ecx, 26),                "XSAVE", newer},
        {has_long_mode_feature(20),            "NX (no-execute pages)", "; switch on 'Execute Disable' in the firmware's setup"},
    };
    for (Ability const& ability : required)
        if (!ability.present)
            screen.refuse("the processor lacks ", ability.name, ability.otherwise);
    if (screen.refused())
        return;

    CpuidLeaf const basic = cpuid(1);
    bool const steady = last_extended_leaf() >= 0x8000'0007 && bit(cpuid(0x8000'0007).edx, 8);
    Ability const useful[] = {
        {bit(basic.ecx, 21),                   "x2APIC", "the local APIC is used by memory accesses"},
        {bit(basic.ecx, 24),                   "TSC-deadline timer", "the APIC timer's one-shot mode is used"},
        {steady,                               "invariant TSC", "time may drift when the processor changes its frequency"},
        {bit(paging, 17),                      "EPT with 1 GiB leaves", "2 MiB leaves are used"},
        {may_set(msr_vmx_pin, 6),              "VMX preemption timer", "the APIC timer ends time slices"},
        {control(8) && control(9),             "APIC virtualization (APICv)", "guests' APICs are modelled in software"},
        {may_set(msr_vmx_pin, 7),              "posted interrupts", "interrupts for a running guest make it exit"},
    };
    for (Ability const& ability : useful)
        screen.say("processor: ", ability.name, ability.present ? ": yes" : ": no; ", ability.present ? "" : ability.otherwise);
}

} // namespace

ProcessorFault enable_vmx()
{
    constexpr u64 lock = 1, vmx_outside_smx = 4;
    if (!bit(cpuid(1).ecx, 5))
        return ProcessorFault::no_vmx;
    u64 const control = read_msr(msr_feature_control);
    if ((control & lock) == 0) {
        write_msr(msr_feature_control, control | vmx_outside_smx | lock);
        return (read_msr(msr_feature_control) & vmx_outside_smx) != 0 ? ProcessorFault::none : ProcessorFault::vmx_locked;
    }
    return (control & vmx_outside_smx) != 0 ? ProcessorFault::none : ProcessorFault::vmx_locked;
}

bool has_huge_pages() { return has_long_mode_feature(26); }
bool uses_five_levels() { return bit(read_cr4(), 12); }

u32 boot_apic_id()
{
    if (cpuid(0).eax >= 0xb) {
        CpuidLeaf const topology = cpuid(0xb);
        if (topology.ebx != 0)
            return topology.edx;
    }
    return cpuid(1).ebx >> 24;
}

void check_processor(Screen& screen)
{
    Vendor const name = vendor();
    screen.say("processor: ", name.text);
    if (uses_five_levels())
        screen.refuse("the firmware uses 5-level paging, Kennel does not; switch it off in the firmware's setup");
    if (std::memcmp(name.text, "AuthenticAMD", 12) == 0 || std::memcmp(name.text, "HygonGenuine", 12) == 0) {
        bool const svm = last_extended_leaf() >= 0x8000'0001 && bit(cpuid(0x8000'0001).ecx, 2);
        screen.refuse("AMD-V is not supported yet (this AMD processor ", svm ? "offers it" : "does not offer it",
                      "); use a machine with Intel VT-x");
        return;
    }
    switch (enable_vmx()) {
    case ProcessorFault::no_vmx:
        screen.refuse("the processor lacks VT-x; if it should have it, switch it on in the firmware's setup, or for a "
                      "virtual machine allow nested virtualization (KVM: kvm_intel nested=1 and -cpu host)");
        return;
    case ProcessorFault::vmx_locked:
        screen.refuse("the firmware has switched VT-x off and locked that; switch on 'Intel Virtualization Technology' in its setup");
        return;
    case ProcessorFault::none:
        check_vmx(screen);
    }
}

} // namespace kennel::boot
