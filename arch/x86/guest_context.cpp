// SPDX-License-Identifier: Apache-2.0
//
// Registers the VMCS does not hold: extended state, XCR0, the system-call MSRs, TSC_AUX, CR2, the debug registers.
// A guest's own service uses none of them (no FPU: CR0.TS; no SYSCALL: EFER.SCE; MOV DR exits; its MSR bitmap is closed),
// so they stay in the processor while it works, and are switched only when another guest, or another guest's service, runs.
// What is left to trust a service with: SWAPGS would show it its own guest's KERNEL_GS_BASE.
#include "arch/x86/controls.hpp"
#include "arch/x86/cpuid.hpp"
#include "arch/x86/instructions.hpp"
#include "arch/x86/vmx.hpp"
#include "hv/log.hpp"
#include <cstring>
#include <span>

namespace kennel::arch {

namespace {

constexpr u32 switched_msrs[] = {Msr::star, Msr::lstar, Msr::cstar, Msr::fmask, Msr::kernel_gs_base, Msr::tsc_aux};
constexpr u64 enabled_breakpoints = 0xff;      // DR7: L0 to G3
static_assert(std::size(switched_msrs) == std::size(GuestContext{}.msrs));

void save(GuestContext& context)
{
    xsetbv(0, host_features().xcr0);           // all of it, whatever the guest has enabled at the moment
    xsave(context.extended);
    for (usize i = 0; i < std::size(switched_msrs); i++)
        context.msrs[i] = rdmsr(switched_msrs[i]);
    context.cr2 = read_cr2();
    if (context.debug_loaded) {
        u64 const now[4] = {read_dr<0>(), read_dr<1>(), read_dr<2>(), read_dr<3>()};
        memcpy(context.debug, now, sizeof now);
        context.dr6 = read_dr<6>();
    }
}

void load(GuestContext const& context)
{
    xsetbv(0, host_features().xcr0);
    xrstor(context.extended);
    xsetbv(0, context.xcr0);
    for (usize i = 0; i < std::size(switched_msrs); i++)
        wrmsr(switched_msrs[i], context.msrs[i]);
    write_cr2(context.cr2);
}

// What a service of somebody else's could read.
void clear_registers()
{
    write_cr2(0);
    for (u32 index : switched_msrs)
        wrmsr(index, 0);
}

void write_debug_addresses(u64 const (&a)[4]) { write_dr<0>(a[0]), write_dr<1>(a[1]), write_dr<2>(a[2]), write_dr<3>(a[3]); }

void debug_registers_exit(Vcpu& vcpu)
{
    if (!vcpu.arch.context.debug_loaded)
        return;
    LoadedVmcs const loaded{vcpu};
    vcpu.arch.context.debug_loaded = false;
    vmwrite(vmcs::primary_controls, vmread(vmcs::primary_controls) | primary_mov_dr);
    write_debug_addresses({});
}

} // namespace

void reset_context(GuestContext& context)
{
    context = {.extended = context.extended};
    // SDM, "FXSAVE Area": FCW and MXCSR as after reset; an empty XSTATE_BV makes XRSTOR initialise the rest.
    memset(context.extended, 0, page_size);
    static_cast<u16*>(context.extended)[0] = 0x37f;
    static_cast<u16*>(context.extended)[12] = 0x1f80;
}

void drop_context(Cpu& cpu, Vcpu& vcpu)
{
    if (cpu.arch.context != &vcpu)
        return;
    debug_registers_exit(vcpu);
    cpu.arch.context = nullptr;
    clear_registers();
}

void release_vcpu(Cpu& cpu, Vcpu& vcpu)
{
    drop_context(cpu, vcpu);
    // The processor may still hold this VMCS and would write it back into a frame that is somebody else's by then.
    if (!vmclear(vcpu.arch.vmcs))
        panic("VMCLEAR failed");
    if (cpu.arch.loaded == &vcpu)
        cpu.arch.loaded = nullptr;
    // Cleared before another CPU can see them.
    for (void* page : {static_cast<void*>(vcpu.page), vcpu.arch.context.extended, vcpu.partition->pool.block().pointer<void>({vcpu.arch.vmcs})})
        memset(page, 0, page_size);
    set_secrets(vcpu, false);
}

// To a guest: its registers in, the last one's out. To a service that is not the last guest's own: the last one's out.
void switch_context(Cpu& cpu, Vcpu& vcpu)
{
    if (Vcpu* before = cpu.arch.context) {
        save(before->arch.context);
        debug_registers_exit(*before);
    }
    cpu.arch.context = vcpu.is_service() ? nullptr : &vcpu;
    if (vcpu.is_service())
        return clear_registers();
    load(vcpu.arch.context);
    if (vmread(vmcs::guest_dr7) & enabled_breakpoints)
        debug_registers_to_guest(cpu, vcpu);   // they are met without an exit that could bring them back first
}

bool debug_registers_to_guest(Cpu&, Vcpu& vcpu)
{
    if (vcpu.is_service())
        return false;
    GuestContext& context = vcpu.arch.context;
    write_debug_addresses(context.debug);
    write_dr<6>(context.dr6);
    context.debug_loaded = true;
    vmwrite(vmcs::primary_controls, vmread(vmcs::primary_controls) & ~primary_mov_dr);
    return true;
}

} // namespace kennel::arch
