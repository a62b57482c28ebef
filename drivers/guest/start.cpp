// SPDX-License-Identifier: Apache-2.0
//
// See start.hpp.
#include "drivers/guest/start.hpp"
#include "drivers/guest/acpi.hpp"
#include "drivers/guest/layout.hpp"
#include "drivers/guest/linux.hpp"
#include "drivers/instructions.hpp"

// The DSDT as iasl compiled it: dsdt.S.
extern "C" kennel::u8 const dsdt_begin[], dsdt_end[];

namespace kennel::service {

namespace {

constexpr u32 cpu_count = 1;                          // guests are uniprocessor for now

// Frames of hv's for this guest: tables for all of its RAM and areas in 4 KiB pages, and for its partition and vCPU themselves.
u64 frames_for(Guest& guest)
{
    u64 const bytes = guest.memory.low_size() + guest.memory.high_size();
    constexpr u64 gibibyte = 1ull << 30, rest = 64;
    u64 frames = bytes / large_page + 2 * (bytes / gibibyte) + rest;
    for (u32 device = 0; device < guest.platform.virtio.count(); device++)
        if (VirtioPmem const* const pmem = guest.platform.virtio.pmem(device))
            frames += pmem->area.frames();
    return frames;
}

Text refused(char const* what, Status status)
{
    return Text{"the hypervisor refused ", what, ", status ", static_cast<u64>(status)};
}

struct Trapped { abi::RangeKind kind; u64 first, count; };

// Everything else stays with hv: reads give ones, writes vanish. Addresses come here anyway; binding them counts them as ours.
constexpr Trapped trapped[] = {
    {abi::RangeKind::port,   Uart16550::port,           Uart16550::ports},
    {abi::RangeKind::port,   PciHost::address_port,     8},
    {abi::RangeKind::port,   Power::port,               Power::ports},
    {abi::RangeKind::memory, PciHost::window_base,      PciHost::window_size},
    {abi::RangeKind::memory, PciHost::ecam_base,        PciHost::ecam_size},
    {abi::RangeKind::memory, IoApic::address,           IoApic::size},
    {abi::RangeKind::msr,    KvmClock::wall_clock_msr,  2},
};

// A device's registers are ours; a write to a notify port only rings its queue's event. What it shows of our memory is mapped.
Status bind(Guest& guest, u32 device)
{
    if (VirtioPmem* const pmem = guest.platform.virtio.pmem(device)) {
        if (Status const status = intercept_bind(guest.partition, abi::RangeKind::memory, pmem->area.address(), pmem->area.size()); status != Status::ok)
            return status;
        if (Status const status = pmem->area.attach(guest.partition); status != Status::ok)
            return status;
    }
    if (Status const status = intercept_bind(guest.partition, abi::RangeKind::port, VirtioDevices::port_of(device), Transport::notify_ports); status != Status::ok)
        return status;
    for (u32 queue = 0; queue < guest.platform.virtio.transport(device).queue_count(); queue++) {
        u32 const event = guest.platform.virtio.event_of(device, queue);
        if (Status const status = doorbell_bind(guest.partition, VirtioDevices::notify_port(device, queue), 2, event, guest.home); status != Status::ok)
            return status;
    }
    return Status::ok;
}

Text create(Guest& guest)
{
    Answer const partition = partition_create(frames_for(guest));
    if (partition.status != Status::ok)
        return refused(partition.status == Status::no_memory ? "its partition: no memory left for its tables" : "its partition", partition.status);
    guest.partition = partition.first;
    for (GuestMemory::Part const& part : guest.memory.parts())
        if (Status const status = map_ram(guest.partition, part.guest, reinterpret_cast<u64>(part.host), part.size); status != Status::ok)
            return refused("its memory", status);
    for (Trapped const& range : trapped)
        if (Status const status = intercept_bind(guest.partition, range.kind, range.first, range.count); status != Status::ok)
            return refused("to forward its accesses", status);
    for (u32 device = 0; device < guest.platform.virtio.count(); device++)
        if (Status const status = bind(guest, device); status != Status::ok)
            return refused("a device's ports or memory", status);
    Answer const vcpu = vcpu_create({.partition = guest.partition, .cpu = guest.home, .badge = guest.number + 1, .weight = guest.recipe.weight, .apic_id = 0});
    if (vcpu.status != Status::ok)
        return refused("its vCPU", vcpu.status);
    guest.vcpu = vcpu.first;
    guest.page = reinterpret_cast<abi::InterceptPage*>(vcpu.second);
    guest.counters = reinterpret_cast<abi::CountersPage const*>(guest.page->counters_page);
    return Text{};
}

Text load(Guest& guest, LinuxEntry& entry)
{
    for (GuestMemory::Part const& part : guest.memory.parts())
        fill_zero(part.host, part.size);
    auto const rsdp = write_acpi_tables(guest.memory, {dsdt_begin, dsdt_end}, cpu_count);
    if (!rsdp || !write_reset_vector(guest.memory))
        return describe(LoadFault{LoadError::no_acpi_room}, guest.kernel_name, guest.initrd_name);
    if (guest.recipe.initrd != abi::no_file && guest.initrd.empty())
        return describe(LoadFault{LoadError::initrd_missing}, guest.kernel_name, guest.initrd_name);
    auto const loaded = load_linux(guest.memory, {guest.kernel, guest.initrd, guest.command_line, *rsdp});
    if (!loaded)
        return describe(loaded.error(), guest.kernel_name, guest.initrd_name);
    entry = *loaded;
    return Text{};
}

Text run(Guest& guest, LinuxEntry const& entry, abi::InfoPage const& info)
{
    guest.platform.reset(guest.partition, guest.memory);
    guest.platform.clock.reset(info, time_stamp());
    guest.cache.clear();
    guest.wants_room.store(false, std::memory_order_relaxed);
    guest.page->registers = {};
    guest.page->registers.rsi = layout::zero_page;
    guest.page->registers.rsp = layout::stack_top;
    start_state(guest.page->state, entry);
    if (Status const status = vcpu_state_set(guest.vcpu, true); status != Status::ok)
        return refused("its first state", status);
    if (Status const status = vcpu_start(guest.vcpu); status != Status::ok)
        return refused("to start it", status);
    return Text{};
}

} // namespace

Text start_guest(Guest& guest, abi::InfoPage const& info)
{
    LinuxEntry entry{};
    Text fault = load(guest, entry);
    if (fault.view().empty())
        fault = create(guest);
    if (fault.view().empty())
        fault = run(guest, entry, info);
    if (!fault.view().empty()) {
        destroy_guest(guest);
        return fault;
    }
    guest.state = GuestState::running;
    guest.starts++;
    guest.started = time_stamp();
    return fault;
}

void destroy_guest(Guest& guest)
{
    guest.platform.virtio.power_off();
    for (u32 device = 0; device < guest.platform.virtio.count(); device++)
        if (VirtioPmem* const pmem = guest.platform.virtio.pmem(device))
            pmem->area.detach();
    if (guest.partition)
        static_cast<void>(partition_destroy(guest.partition));   // fails only for a handle that is not ours
    guest.partition = guest.vcpu = 0;
    guest.platform.interrupts.attach(0);
    guest.page = nullptr;
    guest.counters = nullptr;
    guest.state = GuestState::ended;
}

} // namespace kennel::service
