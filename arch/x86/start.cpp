// SPDX-License-Identifier: Apache-2.0
//
// From the loader's jump to the first service: the boot CPU, step by step.
#include "arch/x86/cpuid.hpp"
#include "arch/x86/host.hpp"
#include "arch/x86/instructions.hpp"
#include "hv/log.hpp"
#include "hv/schedule.hpp"

extern "C" {
extern char text_start[], text_end[], rodata_start[], rodata_end[];
[[noreturn]] void boot_cpu_main(kennel::abi::BootInfo const* boot);
}

namespace kennel::arch {

void place_trampoline(Machine& machine);

namespace {

constinit Machine machine;                     // the machine, as the first thing that exists
constinit Cpu boot_cpu;
HostPaging paging;

// Everything behind BootInfo is the pool: first the frame records of the whole block, then the frames themselves.
void make_pool(abi::BootInfo const& boot)
{
    u64 const virtual_base = abi::image_virtual_base;
    u64 const pool_at = boot.pool_base - boot.block_base + virtual_base;
    auto* frames = reinterpret_cast<Frame*>(pool_at);
    u64 const total = boot.block_size / page_size, records = (total * sizeof(Frame) + page_size - 1) / page_size;
    machine.block = Block{{boot.block_base}, virtual_base, frames};
    auto master = machine.master.lock();
    *master = Pool{&machine.block};
    u64 const first = (boot.pool_base - boot.block_base) / page_size + records;
    // Last first, so that the lowest are given out first.
    for (u64 i = first + (boot.pool_size / page_size - records); i-- > first;)
        master->adopt(frames + i);
}

} // namespace

HostPaging& host_paging() { return paging; }

} // namespace kennel::arch

void boot_cpu_main(kennel::abi::BootInfo const* boot)
{
    using namespace kennel;
    using namespace kennel::arch;
    Cpu& cpu = boot_cpu;
    cpu.arch.self = &cpu;
    wrmsr(0xc0000101, reinterpret_cast<u64>(&cpu.arch));       // GS base: this_cpu() works from here on
    cpu.machine = &machine;
    machine.boot = boot;
    machine.cpus[0] = &cpu;
    machine.cpu_count = 1;
    if (boot->magic != abi::boot_info_magic || boot->version != abi::boot_info_version || boot->size != sizeof(abi::BootInfo))
        panic("the loader speaks another version of BootInfo", boot->version);

    make_pool(*boot);
    place_trampoline(machine);
    auto const at = [](char const* symbol) { return reinterpret_cast<u64>(symbol); };
    paging.build(machine, {at(text_start), at(text_end), at(rodata_start), at(rodata_end)});
    setup_stacks(machine, cpu);
    paging.use();
    load_tables(cpu);
    setup_log(machine);
    log_line("Kennel ", std::string_view{boot->build_id}, ", ", boot->cpu_count, " CPUs, pool ", machine.master.lock()->free_count() * 4, " KiB");

    HostFeatures& features = host_features_for_boot();
    find_apic(machine);
    find_io_apics(machine);
    find_extended_features(features);
    find_vmx_features();
    if (char const* why = enter_vmx_root(machine))
        panic(why);
    cpu.shared.online.store(true, std::memory_order_release);
    start_other_cpus(machine);
    log_line(machine.cpu_count, " CPUs in VMX root; x2APIC ", features.x2apic ? "yes" : "no", ", TSC deadline ", features.tsc_deadline ? "yes" : "no",
             ", 1 GiB leaves ", features.ept_1g ? "yes" : "no", ", executable RAM in ",
             boot->trust_guests || features.no_page_size_erratum ? "large" : "4 KiB", " leaves");

    machine.create_services();
    service_takes_over_log();
    let_cpus_run(machine);
    run(cpu);
}
