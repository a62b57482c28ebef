// SPDX-License-Identifier: Apache-2.0
//
// Every CPU into VMX root: start-up by INIT and SIPI, requests between CPUs, and dropping translations everywhere.
// A CPU that does not come up is reported and left out. SDM, "MP Initialization Protocol".
#include "arch/x86/host.hpp"
#include "arch/x86/instructions.hpp"
#include "hv/log.hpp"
#include <cstring>

extern "C" {
extern char trampoline[], trampoline_end[], trampoline_data[];
[[noreturn]] void other_cpu_main(kennel::Cpu* cpu);
}

namespace kennel::arch {

namespace {

struct TrampolineData { u64 cr3, stack; Cpu* cpu; void (*entry)(Cpu*); };

std::atomic<bool> services_ready{false};

} // namespace

// Copied while the loader's tables are still in use, since hv's own map the page read-only.
void place_trampoline(Machine& machine)
{
    memcpy(reinterpret_cast<char*>(machine.boot->trampoline), trampoline, static_cast<usize>(trampoline_end - trampoline));
}

void start_other_cpus(Machine& machine)
{
    abi::BootInfo const& boot = *machine.boot;
    u64 const base = boot.trampoline;
    // Its data words are written through a window that goes again when the last CPU is up.
    auto* window = static_cast<char*>(host_paging().map_device({base}, page_size));
    auto* data = reinterpret_cast<TrampolineData*>(window + (trampoline_data - trampoline));
    for (u32 i = 1; i < boot.cpu_count && i < abi::max_cpus; i++) {
        Cpu& cpu = make_cpu(machine, machine.cpu_count);
        cpu.shared.apic_id = boot.cpus[i].apic_id;
        setup_stacks(machine, cpu);
        host_paging().reserve(cpu.index);
        *data = {host_paging().root().value, cpu.arch.stack_top, &cpu, reinterpret_cast<void (*)(Cpu*)>(&other_cpu_main)};
        std::atomic_thread_fence(std::memory_order_seq_cst);   // the data is there before the CPU can read it
        send_init(cpu.shared.apic_id);
        wait_us(10'000);
        bool up = false;
        for (unsigned attempt = 0; attempt < 2 && !up; attempt++) {
            send_startup(cpu.shared.apic_id, static_cast<u8>(base >> 12));
            for (unsigned ms = 0; ms < 200 && !up; ms++) {
                wait_us(1000);
                up = cpu.shared.online.load(std::memory_order_acquire);
            }
        }
        machine.cpu_count += up;
        if (up)
            continue;
        send_init(cpu.shared.apic_id);         // or it would come late, to stacks that are the next one's
        log_line("cpu with APIC id ", boot.cpus[i].apic_id, " did not start and is left out");
    }
    host_paging().unmap_page(reinterpret_cast<u64>(window));
    host_paging().unmap_page(base);
}

void let_cpus_run(Machine& machine)
{
    host_paging().divide(machine.cpu_count);
    for (u32 i = 0; i < machine.cpu_count; i++)
        keep_private(*machine.cpus[i]);
    write_cr3(host_paging().root().value);     // and nothing is remembered of what this CPU could see until now
    services_ready.store(true, std::memory_order_release);
}

// ---- requests between CPUs ----

// All of a guest's and hv's own: rare, and simple beats precise.
static void drop_translations()
{
    invept(2, 0);
    write_cr3(read_cr3());
}

void relax()
{
    CpuShared& shared = this_cpu().shared;
    u64 const wanted = shared.invalidate_wanted.load(std::memory_order_acquire);
    if (wanted != shared.invalidate_done.load(std::memory_order_relaxed)) {
        drop_translations();
        shared.invalidate_done.store(wanted, std::memory_order_release);
    }
    pause();
}

void spin() { pause(); }

void invalidate(Machine& machine, Partition& partition) { invalidate(machine, partition.ran_on.load(std::memory_order_acquire)); }

void invalidate(Machine& machine, u32 ran_on)
{
    // Complete on return: every one of these CPUs has dropped its translations, or is waiting right here itself.
    Cpu& here = this_cpu();
    u64 orders[abi::max_cpus];
    for (u32 i = 0; i < machine.cpu_count; i++)
        if (i != here.index && (ran_on & (1u << i))) {
            orders[i] = machine.cpus[i]->shared.invalidate_wanted.fetch_add(1, std::memory_order_acq_rel) + 1;
            kick(machine, *machine.cpus[i]);
        }
    if (ran_on & (1u << here.index))
        drop_translations();
    for (u32 i = 0; i < machine.cpu_count; i++)
        if (i != here.index && (ran_on & (1u << i)))
            while (machine.cpus[i]->shared.invalidate_done.load(std::memory_order_acquire) < orders[i])
                relax();
}

} // namespace kennel::arch

void other_cpu_main(kennel::Cpu* cpu)
{
    using namespace kennel;
    using namespace kennel::arch;
    host_paging().use();
    load_tables(*cpu);
    enable_apic(*cpu);
    u64 const states = host_features().xcr0;           // guests find what the boot CPU has
    if (char const* why = (cpuid(0xd).eax & states) != states ? "it lacks extended states" : enter_vmx_root(*cpu->machine)) {
        log_line("cpu ", cpu->index, " is left out: ", std::string_view{why});
        halt_for_ever();
    }
    xsetbv(0, states);
    // Ordering: release: who sees it online sees it complete.
    cpu->shared.online.store(true, std::memory_order_release);
    while (!services_ready.load(std::memory_order_acquire))
        arch::pause();
    write_cr3(host_paging().root(cpu->index).value);
    run(*cpu);
}
