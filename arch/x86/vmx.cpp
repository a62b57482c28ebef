// SPDX-License-Identifier: Apache-2.0
//
// See vmx.hpp. SDM, "Virtual Machine Control Structures" and "VM Entries".
#include "arch/x86/vmx.hpp"
#include "arch/x86/controls.hpp"
#include "arch/x86/cpuid.hpp"
#include "arch/x86/instructions.hpp"
#include "hv/log.hpp"
#include <cstring>

namespace kennel::arch {

namespace {

HostFeatures features;

// `msr` says what the processor allows: low word, bits that must be one; high word, bits that may be one. SDM, "Reserved Controls
// and Default Settings".
template<usize N> u32 assemble(Control const (&table)[N], u32 msr, bool is_service)
{
    u64 const allowed = rdmsr(msr);
    For const wanted = is_service ? For::service : For::guest;
    u32 word = static_cast<u32>(allowed);
    for (Control const& control : table) {
        if (!(static_cast<u8>(control.whom) & static_cast<u8>(wanted)))
            continue;
        if (allowed & bit(32 + control.bit))
            word |= 1u << control.bit;
        else if (control.required)
            panic("a VMX control the loader checked is missing", control.bit);
    }
    return word;
}

// One bitmap of each kind for all guests: all ones. Pages of the machine's, made at start.
u64 closed_page = 0;                    // host physical: 4 KiB of ones
u64 guest_msr_bitmap = 0, service_msr_bitmap = 0;

// SDM, "MSR-Bitmap Address": four 1 KiB maps; read low, read high, write low, write high.
void open_msr(u8* bitmap, u32 index, bool read, bool write)
{
    u32 const base = index >= 0xc0000000 ? 1024 : 0, number = index & 0x1fff;
    if (read)
        bitmap[base + number / 8] = static_cast<u8>(bitmap[base + number / 8] & ~(1u << (number % 8)));
    if (write)
        bitmap[2048 + base + number / 8] = static_cast<u8>(bitmap[2048 + base + number / 8] & ~(1u << (number % 8)));
}

u8* ones(Machine& machine) { return static_cast<u8*>(memset(own_frame(machine), 0xff, page_size)); }

// A VMXON region or a VMCS, host physical; 0: the pool is used up. SDM, "Format of the VMCS Region": the revision comes first.
u64 make_region(Pool& pool)
{
    void* const region = pool.allocate();
    if (!region)
        return 0;
    *static_cast<u32*>(region) = static_cast<u32>(features.vmx_basic) & 0x7fff'ffff;
    return pool.block().physical(region).value;
}

} // namespace

HostFeatures const& host_features() { return features; }
HostFeatures& host_features_for_boot() { return features; }

void find_vmx_features()
{
    features.vmx_basic = rdmsr(Msr::vmx_basic);
    u64 const ept = rdmsr(Msr::vmx_ept_vpid);
    features.ept_1g = ept & bit(17);
    features.invvpid_single = ept & bit(41);
    features.preemption_timer = (rdmsr(Msr::vmx_true_pin) & bit(32 + 6)) && (rdmsr(Msr::vmx_true_exit) & bit(32 + 22));
    features.preemption_shift = rdmsr(Msr::vmx_misc) & 31;
    u32 const seven = cpuid(0).eax >= 7 ? cpuid(7).edx : 0;
    u64 const capabilities = seven & bit(29) ? rdmsr(Msr::arch_capabilities) : 0;
    features.keeps_predictors_apart = capabilities & bit(1);              // IBRS_ALL
    features.no_page_size_erratum = capabilities & bit(6);                // PSCHANGE_MC_NO
    features.crossing_actions = crossing_means(seven, capabilities);
}

char const* enter_vmx_root(Machine& machine)
{
    if (!(cpuid(1).ecx & bit(5)))
        return "no VT-x";
    u64 const control = rdmsr(Msr::feature_control);
    if (!(control & 1))
        wrmsr(Msr::feature_control, control | 5);
    if ((rdmsr(Msr::feature_control) & 5) != 5)
        return "VT-x is locked off by the firmware";
    if (rdmsr(Msr::vmx_basic) != features.vmx_basic)
        return "VT-x differs from the boot CPU's";

    // Once and for all: what runs outside VMX root trains no indirect branch of hv's. Guests cannot reach the register.
    if (features.keeps_predictors_apart)
        wrmsr(Msr::spec_ctrl, 1);
    u64 const region = make_region(*machine.master.lock());
    if (!region)
        return "hv's pool is too small";
    write_cr0((read_cr0() | rdmsr(Msr::vmx_cr0_fixed0)) & rdmsr(Msr::vmx_cr0_fixed1));
    write_cr4((read_cr4() | Cr4::vmxe | rdmsr(Msr::vmx_cr4_fixed0)) & rdmsr(Msr::vmx_cr4_fixed1));
    if (!vmxon(region))
        return "VMXON failed";

    if (!closed_page) {
        closed_page = machine.block.physical(ones(machine)).value;
        u8* guest = ones(machine);
        u8* service = ones(machine);
        for (u32 index : {Msr::fs_base, Msr::gs_base, Msr::kernel_gs_base, Msr::star, Msr::lstar, Msr::cstar, Msr::fmask, Msr::tsc_aux,
                          Msr::sysenter_cs, Msr::sysenter_esp, Msr::sysenter_eip})
            open_msr(guest, index, true, true);
        open_msr(guest, Msr::tsc, true, false);
        for (u32 index : {Msr::fs_base, Msr::gs_base})
            open_msr(service, index, true, true);
        guest_msr_bitmap = machine.block.physical(guest).value;
        service_msr_bitmap = machine.block.physical(service).value;
    }
    return nullptr;
}

LoadedVmcs::LoadedVmcs(Vcpu& vcpu) : cpu_{this_cpu()}, vcpu_{vcpu}, before_{cpu_.arch.loaded}
{
    if (before_ != &vcpu && !vmptrld(vcpu_.arch.vmcs))
        panic("VMPTRLD failed");
    cpu_.arch.loaded = &vcpu_;
}

LoadedVmcs::~LoadedVmcs()
{
    if (before_ == &vcpu_)
        return;
    // At boot one CPU prepares the services' vCPUs of all: theirs must not stay active here.
    if (vcpu_.cpu != &cpu_ && !vmclear(vcpu_.arch.vmcs))
        panic("VMCLEAR failed");
    if (before_ && !vmptrld(before_->arch.vmcs))
        panic("VMPTRLD failed");
    cpu_.arch.loaded = before_;
}

namespace {

void write_host_state(Vcpu& vcpu)
{
    Cpu& cpu = *vcpu.cpu;
    using namespace vmcs;
    vmwrite(host_cr0, read_cr0());
    vmwrite(host_cr3, host_paging().root(cpu.index).value);
    // The stub of another CPU may be the one that creates this vCPU (services): both have the same CR4.
    vmwrite(host_cr4, read_cr4());
    vmwrite(host_cs, HostSelector::code);
    for (auto field : {host_ss, host_ds, host_es})
        vmwrite(field, HostSelector::data);
    for (auto field : {host_fs, host_gs})
        vmwrite(field, u16{0});
    vmwrite(host_tr, HostSelector::task);
    vmwrite(host_tr_base, reinterpret_cast<u64>(&cpu.arch.task));
    vmwrite(host_gdtr_base, reinterpret_cast<u64>(&cpu.arch.gdt));
    vmwrite(host_idtr_base, idt_base());
    vmwrite(host_gs_base, reinterpret_cast<u64>(&cpu.arch));
    vmwrite(host_sysenter_cs, 0u);
    for (auto field : {host_fs_base, host_sysenter_esp, host_sysenter_eip})
        vmwrite(field, 0ull);
    vmwrite(host_efer, rdmsr(Msr::efer));
    vmwrite(host_pat, pat_of_reset);
    vmwrite(host_rsp, cpu.arch.stack_top - 24);   // the two words of vmx_entry.S
    vmwrite(host_rip, reinterpret_cast<u64>(&vmx_exit));
}

void write_controls(Vcpu& vcpu)
{
    using namespace vmcs;
    bool const is_service = vcpu.is_service();
    vmwrite(vmcs::pin_controls, assemble(arch::pin_controls, Msr::vmx_true_pin, is_service));
    vmwrite(vmcs::primary_controls, assemble(arch::primary_controls, Msr::vmx_true_primary, is_service));
    vmwrite(vmcs::secondary_controls, assemble(arch::secondary_controls, Msr::vmx_secondary, is_service));
    vmwrite(vmcs::exit_controls, assemble(arch::exit_controls, Msr::vmx_true_exit, is_service));
    vmwrite(vmcs::entry_controls, assemble(arch::entry_controls, Msr::vmx_true_entry, is_service));
    vmwrite(exception_bitmap, is_service ? service_exceptions : guest_exceptions);
    for (auto field : {page_fault_mask, page_fault_match, cr3_target_count, guest_sysenter_cs, exit_msr_store_count, exit_msr_load_count, entry_msr_load_count, entry_interruption, entry_error_code, entry_instruction_length})
        vmwrite(field, 0u);
    u8* const* const ports = vcpu.partition->space.ports;
    Block const& block = vcpu.partition->pool.block();
    vmwrite(io_bitmap_a, ports[0] ? block.physical(ports[0]).value : closed_page);
    vmwrite(io_bitmap_b, ports[1] ? block.physical(ports[1]).value : closed_page);
    vmwrite(msr_bitmap, is_service ? service_msr_bitmap : guest_msr_bitmap);
    vmwrite(link_pointer, ~0ull);
    // SDM, "Extended-Page-Table Pointer (EPTP)": write-back tables, walk of four.
    vmwrite(ept_pointer, block.physical(vcpu.partition->space.root).value | 6 | (3u << 3));
    vmwrite(vpid, static_cast<u16>(1 + vcpu.partition->number % 65535));
    vmwrite(cr0_mask, is_service ? ~0ull : cr0_guest_mask);
    vmwrite(cr4_mask, is_service ? ~0ull : ~cr4_offered);
    vmwrite(guest_pat, pat_of_reset);
    for (auto field : {tsc_offset, guest_debugctl, guest_sysenter_esp, guest_sysenter_eip, guest_pending_debug})
        vmwrite(field, 0ull);
}

} // namespace

bool create_vcpu(Vcpu& vcpu)
{
    Pool& pool = vcpu.partition->pool;
    vcpu.arch.vmcs = make_region(pool);
    vcpu.arch.cpuid = make_cpuid_table(vcpu);
    if (!vcpu.is_service())
        vcpu.arch.context.extended = pool.allocate();
    if (!vcpu.arch.vmcs || !vcpu.arch.cpuid || (!vcpu.is_service() && !vcpu.arch.context.extended))
        return false;
    if (!vmclear(vcpu.arch.vmcs))
        panic("VMCLEAR failed");
    LoadedVmcs const loaded{vcpu};
    write_controls(vcpu);
    write_host_state(vcpu);
    // A number used before on this CPU may still have translations here.
    invvpid(features.invvpid_single ? 1 : 2, vmread(vmcs::vpid));
    return true;
}

void set_secrets(Vcpu const& vcpu, bool is_private)
{
    Block const& block = vcpu.partition->pool.block();
    for (void const* page : {static_cast<void const*>(vcpu.page), static_cast<void const*>(vcpu.arch.context.extended), block.pointer<void const>({vcpu.arch.vmcs})})
        if (page)
            host_paging().set_private(vcpu.cpu->index, reinterpret_cast<u64>(page), is_private);
}

void settle_vcpu(Vcpu& vcpu)
{
    set_secrets(vcpu, true);
    invalidate(*vcpu.partition->machine, ~0u);
}

// IBPB, VERW, L1D_FLUSH: SDM, "Processor-Specific Speculation Control MSRs".
[[gnu::noinline]] static void clean_up(Vcpu const* before, Vcpu const& next)
{
    u32 const actions = crossing_actions(before, next) & features.crossing_actions;
    if (actions & Crossing::predictors)
        wrmsr(Msr::pred_cmd, 1);
    if (actions & Crossing::buffers)
        verw(HostSelector::data);
    if (actions & Crossing::l1_data)
        wrmsr(Msr::flush_cmd, 1);
}

void load_vcpu(Cpu& cpu, Vcpu& vcpu)
{
    Vcpu const* const before = cpu.arch.loaded;
    if (!vmptrld(vcpu.arch.vmcs)) [[unlikely]]
        panic("VMPTRLD failed");
    cpu.arch.loaded = &vcpu;
    if (vcpu.is_service() ? cpu.arch.context && cpu.arch.context->service != &vcpu : cpu.arch.context != &vcpu) [[unlikely]]
        switch_context(cpu, vcpu);
    if (features.crossing_actions) [[unlikely]]
        clean_up(before, vcpu);                // last: saving the other's registers fills the buffers that are emptied
}

void start_running(Cpu& cpu)
{
    Vcpu& vcpu = *cpu.current;
    load_vcpu(cpu, vcpu);
    if (vcpu.attention)
        prepare_entry(cpu, vcpu);
    vmx_start(&vcpu.registers(), cpu.arch.stack_top, &cpu);
}

} // namespace kennel::arch

void vmx_entry_refused(kennel::Cpu*)
{
    kennel::panic("the processor refused VM entry, VM-instruction error", kennel::arch::vmread(kennel::arch::vmcs::instruction_error));
}
