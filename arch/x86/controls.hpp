// SPDX-License-Identifier: Apache-2.0
//
// The VMX controls: what exits, what a guest owns, what is offered. Default-deny: a control that is not in these
// tables is off, a CR4 bit that is not listed is refused, an MSR that is not listed gives #GP, and every port exits.
// SDM, "VM-Execution Control Fields", "VM-Exit Controls", "VM-Entry Controls".
#pragma once
#include "arch/x86/registers.hpp"

namespace kennel::arch {

// For whom: a guest, or a service partition (which has no timers, no FPU and no user mode, so it needs less).
enum class For : u8 { nobody = 0, guest = 1, service = 2, both = 3 };

struct Control { u8 bit; For whom; bool required; char const* reason; };

inline constexpr Control pin_controls[] = {
    { 0, For::both,  true,  "external interrupts are hv's: they are routed, never delivered directly" },
    { 3, For::both,  true,  "an NMI belongs to the machine" },
    { 6, For::guest, false, "preemption timer: a watchdog, see prepare_entry" },
};

inline constexpr Control primary_controls[] = {
    { 7, For::both,  true,  "HLT: the CPU has other work" },
    {10, For::both,  true,  "MWAIT: the same, and its hints reach the machine's power states" },
    {11, For::both,  true,  "RDPMC: counters would show what others do" },
    {19, For::guest, true,  "CR8 load: the task priority is in our APIC model" },
    {20, For::guest, true,  "CR8 store: likewise" },
    {23, For::both,  true,  "MOV DR: DR0-DR3 are not in the VMCS, see guest_context.cpp" },
    {25, For::both,  true,  "I/O bitmaps: all ones for a guest, the machine's ports for the service that owns devices" },
    {28, For::both,  true,  "MSR bitmap: all ones but for the registers a vCPU has to itself" },
    {29, For::both,  true,  "MONITOR: goes with MWAIT" },
    {31, For::both,  true,  "secondary controls" },
};
// Not set, on purpose: CR3 load/store exiting (bits 15, 16: EPT makes CR3 the guest's), INVLPG exiting (9), RDTSC exiting (12),
// PAUSE exiting (30), TPR shadow (21: without APICv it saves CR8 exits only, which 64-bit Linux does not take in x2APIC mode).

inline constexpr Control secondary_controls[] = {
    { 1, For::both,  true,  "EPT" },
    { 3, For::guest, false, "RDTSCP, with TSC_AUX switched" },
    { 5, For::both,  true,  "VPID: translations survive exits" },
    { 6, For::both,  true,  "WBINVD: a guest must not stall the memory of all" },
    { 7, For::both,  true,  "unrestricted guest: real mode and unpaged mode need no emulator" },
    {12, For::guest, false, "INVPCID" },
};
// Not set: XSAVES (20: XSS stays 0), ENCLS, PT, user wait, VM functions, PML, shadow VMCS.

inline constexpr Control exit_controls[] = {
    { 9, For::both,  true,  "the host is 64-bit" },
    {15, For::both,  true,  "acknowledge: the exit tells the vector" },
    {18, For::both,  true,  "save PAT" },
    {19, For::both,  true,  "load PAT" },
    {20, For::both,  true,  "save EFER: a guest's own mode switches change LMA" },
    {21, For::both,  true,  "load EFER" },
    { 2, For::both,  true,  "save debug controls" },
    {22, For::guest, false, "save the preemption timer: it counts the guest's own time, across exits" },
};

inline constexpr Control entry_controls[] = {
    { 2, For::both,  true,  "load debug controls" },
    {14, For::both,  true,  "load PAT" },
    {15, For::both,  true,  "load EFER" },
};
constexpr u32 entry_ia32e_mode = 1u << 9;    // follows EFER.LMA, see vmx.cpp
constexpr u32 primary_interrupt_window = 1u << 2;
constexpr u32 primary_mov_dr = 1u << 23;

// Exceptions that exit. #AC, #DB: their delivery can loop for ever inside a guest (CVE-2015-5307, CVE-2015-8104). #MC: the machine's.
constexpr u32 guest_exceptions   = (1u << 17) | (1u << 1) | (1u << 18);
// A service has no business with the FPU: the registers in it may be another partition's.
constexpr u32 service_exceptions = guest_exceptions | (1u << 7);

// CR0: NE must stay set (fixed), CD and NW would slow the machine; the rest is the guest's own.
constexpr u64 cr0_guest_mask = Cr0::ne | Cr0::cd | Cr0::nw;
// CR4 bits a guest may have. Everything else is ours: a write that would change it is refused with #GP. MCE is always set: without it
// a machine check while the guest runs would shut the whole machine down instead of making an exit.
constexpr u64 cr4_offered = Cr4::vme | Cr4::pvi | Cr4::tsd | Cr4::de | Cr4::pse | Cr4::pae | Cr4::pge | Cr4::osfxsr |
                            Cr4::osxmmexcpt | Cr4::umip | Cr4::fsgsbase | Cr4::pcide | Cr4::osxsave | Cr4::smep | Cr4::smap;

} // namespace kennel::arch
