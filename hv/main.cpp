// SPDX-License-Identifier: Apache-2.0
//
// The life of a CPU: services are created from what the loader prepared, then choose and run for ever.
#include "hv/cpu.hpp"
#include "hv/log.hpp"
#include "hv/schedule.hpp"
#include <cstring>

namespace kennel {

namespace {

using abi::MemoryKind, abi::MemoryType, abi::Status;

constexpr u32 right_read = 1, right_write = 2, right_execute = 4;

bool own_and_map(Partition& service, u64 base, u64 end, u32 rights, MemoryType type, bool is_ram)
{
    u64 const size = end - base;
    if (size == 0)
        return true;
    if (service.extent_count == max_extents)
        return false;
    // Neighbours of one kind are one extent, so that a range across their border is still owned as a whole.
    Extent* last = service.extent_count ? &service.extents[service.extent_count - 1] : nullptr;
    if (last && last->base + last->size == base && last->is_ram == is_ram)
        last->size += size;
    else
        service.extents[service.extent_count++] = {base, size, is_ram};
    return arch::map(service, {base}, {base}, {size}, rights, type) == Status::ok;
}

// What this service's memory is: its RAM, and for the one that owns the devices their registers and the ACPI tables.
// Only the text of its own image may be executed.
bool map_memory(Machine& machine, Partition& service, u32 index, abi::ServiceImage const& image)
{
    constexpr u32 data = right_read | right_write;
    for (u32 i = 0; i < machine.boot->range_count && i < abi::max_ranges; i++) {
        abi::MemoryRange const& range = machine.boot->ranges[i];
        bool mapped = true;
        if (range.kind == MemoryKind::service && range.owner == index) {
            // In front of its text, the text, and behind; all of it in front where the text lies elsewhere.
            u64 const end = range.base + range.size;
            bool const has_text = range_within(image.executable_base, image.executable_size, range.base, range.size);
            u64 const text = has_text ? image.executable_base : end, behind = has_text ? text + image.executable_size : end;
            mapped = own_and_map(service, range.base, text, data, range.type, true) &&
                     own_and_map(service, text, behind, right_read | right_execute, range.type, true) &&
                     own_and_map(service, behind, end, data, range.type, true);
        } else if (range.kind == MemoryKind::device && service.owns_devices) {
            mapped = own_and_map(service, range.base, range.base + range.size, data, range.type, false);
        } else if (range.kind == MemoryKind::acpi && service.owns_devices) {
            mapped = arch::map(service, {range.base}, {range.base}, {range.size}, right_read, range.type) == Status::ok;
        }
        if (!mapped)
            return false;
    }
    return true;
}

bool make_info(Machine& machine, Partition& service, u32 index, abi::ServiceImage const& image)
{
    abi::BootInfo const& boot = *machine.boot;
    auto* info = service.pool.create<abi::InfoPage>();
    service.info = info;
    if (!info)
        return false;
    info->version = abi::abi_version;
    info->service = index;
    info->cpu_count = machine.cpu_count;
    info->owns_devices = service.owns_devices;
    info->tsc_hz = boot.tsc_hz;
    info->wall_clock_ns = boot.wall_clock_ns;
    info->wall_clock_tsc = boot.wall_clock_tsc;
    info->block_base = image.block_base;
    info->block_size = image.block_size;
    if (service.owns_devices) {
        info->rsdp = boot.rsdp;
        info->screen = boot.screen;
        info->console_port = boot.console_port;
    }
    u32 memory = 0;
    for (u32 i = 0; i < service.extent_count && memory < 8; i++)
        if (service.extents[i].is_ram) {
            info->memory_base[memory] = service.extents[i].base;
            info->memory_size[memory++] = service.extents[i].size;
        }
    info->module_count = image.module_count < abi::max_modules ? image.module_count : abi::max_modules;
    memcpy(info->modules, image.modules, sizeof info->modules);
    memcpy(info->build_id, boot.build_id, sizeof info->build_id);
    u64 const at = machine.block.physical(info).value;
    return arch::map(service, {at}, {at}, {page_size}, right_read, MemoryType::write_back) == Status::ok;
}

bool make_vcpu(Machine& machine, Partition& service, Cpu& cpu, abi::ServiceImage const& image)
{
    Vcpu* vcpu = create_vcpu(service, cpu, nullptr, 0, 100, cpu.index);
    abi::EventPage* events = service.pool.create<abi::EventPage>();
    if (!vcpu || !events)
        return false;
    u64 const at = machine.block.physical(events).value;
    if (arch::map(service, {at}, {at}, {page_size}, right_read | right_write, MemoryType::write_back) != Status::ok)
        return false;
    vcpu->events = events;
    service.info->event_page[cpu.index] = at;

    // 64-bit, paging on, flat: SDM, "Checks on the Guest State Area". Segment access rights in VMX format.
    abi::VcpuState state{};
    constexpr u32 code = 0xa09b, data = 0xc093, task = 0x8b, unusable = 0x10000;
    state.rip = image.rip;
    state.rflags = 0x202;                      // IF: nothing is ever injected, and it means hv need not look for pending interrupts
    state.cr0 = 0x8001'0033;
    state.cr3 = image.cr3;
    state.cr4 = 0x20;
    state.efer = 0xd00;
    state.cs = {0, 0xffff'ffff, code, 0x08, {}};
    for (abi::Segment* segment : {&state.ss, &state.ds, &state.es, &state.fs, &state.gs})
        *segment = {0, 0xffff'ffff, data, 0x10, {}};
    state.ldtr = {0, 0, unusable, 0, {}};
    state.tr = {0, 0xffff, task, 0, {}};
    vcpu->registers().rsp = image.stack_top - cpu.index * image.stack_stride;
    vcpu->registers().rdi = machine.block.physical(service.info).value;
    vcpu->registers().rsi = cpu.index;
    if (arch::set_state(*vcpu, state) != Status::ok)
        return false;
    vcpu->status = VcpuStatus::runnable;
    cpu.all.push_back(*vcpu);
    cpu.services.push_back(*vcpu);
    return true;
}

bool make_service(Machine& machine, u32 index, abi::ServiceImage const& image)
{
    // Tables for all of its memory in 2 MiB leaves, its text in 4 KiB ones, and the pages of its guests' vCPUs.
    u64 const frames = 640 + 8 * machine.cpu_count;
    Partition* service = create_partition(machine, frames, nullptr);
    if (!service)
        return false;
    service->owns_devices = image.owns_devices == 1;
    bool complete = map_memory(machine, *service, index, image) && make_info(machine, *service, index, image);
    if (complete && service->owns_devices)
        arch::open_ports(*service);
    for (u32 i = 0; complete && i < machine.cpu_count; i++)
        complete = make_vcpu(machine, *service, *machine.cpus[i], image);
    service->done.store(!complete, std::memory_order_relaxed);
    return complete;
}

} // namespace

void Machine::create_services()
{
    for (u32 index = 0; index < boot->service_count && index < abi::max_services; index++)
        if (!make_service(*this, index, boot->services[index])) {
            log_line("service ", index, " not started: its memory and tables do not fit hv's pool");
            control.lock()->failed = true;
        }
}

void run(Cpu& cpu)
{
    schedule(cpu);
    arch::start_running(cpu);
}

} // namespace kennel
