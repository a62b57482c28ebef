// SPDX-License-Identifier: Apache-2.0
//
// See devices.hpp.
#include "drivers/virtio/devices.hpp"

namespace kennel::service {

void VirtioDevices::power_on(PciHost& pci, GuestMemory const& memory, InterruptSink& interrupts)
{
    for (u32 i = 0; i < count_; i++) {
        entries_[i].transport->power_on(pci.device(first_slot + i), port_of(i), first_address + i * Transport::memory_size, memory, interrupts);
        if (auto* const block = std::get_if<VirtioBlock*>(&entries_[i].device))
            (*block)->power_on();
        else if (auto* const card = std::get_if<VirtioNet*>(&entries_[i].device))
            (*card)->power_on();
        else if (auto* const console = std::get_if<VirtioConsole*>(&entries_[i].device))
            (*console)->power_on();
        else if (VirtioPmem* const area = pmem(i))
            area->power_on();
    }
}

void VirtioDevices::power_off()
{
    for (u32 i = 0; i < count_; i++)
        carry_out(entries_[i], Transport::Change::reset);
}

void VirtioDevices::write_port(u16 port, u32 size, u32 value)
{
    Entry& target = entry(port);
    carry_out(target, target.transport->write_port(port % Transport::ports, size, value));
}

void VirtioDevices::configuration_written()
{
    for (u32 i = 0; i < count_; i++)
        carry_out(entries_[i], entries_[i].transport->take_window_change());
}

void VirtioDevices::carry_out(Entry& entry, Transport::Change change)
{
    if (change == Transport::Change::none)
        return;
    if (change == Transport::Change::started) {
        // What the driver made available before counts as announced now, and is served as that: by the event.
        u32 const number = static_cast<u32>(&entry - entries_);
        if (auto* const card = std::get_if<VirtioNet*>(&entry.device))
            (*card)->changed(change);
        for (u32 queue = 0; queue < entry.transport->queue_count(); queue++)
            static_cast<void>(event_raise(place_.cpu, event_of(number, queue)));
        return;
    }
    if (auto* const block = std::get_if<VirtioBlock*>(&entry.device))
        (*block)->changed(change);
    else if (auto* const card = std::get_if<VirtioNet*>(&entry.device))
        (*card)->changed(change);
    else if (auto* const entropy = std::get_if<VirtioEntropy*>(&entry.device))
        (*entropy)->changed(change);
    else if (auto* const console = std::get_if<VirtioConsole*>(&entry.device))
        (*console)->changed(change);
    else if (auto* const pmem = std::get_if<VirtioPmem*>(&entry.device))
        (*pmem)->changed(change);
}

VirtioDevices::Rest VirtioDevices::kicked(u32 number, u32 queue)
{
    if (number >= count_ || queue >= entries_[number].transport->queue_count())
        return {};
    if (auto* const block = std::get_if<VirtioBlock*>(&entries_[number].device)) [[likely]] {
        (*block)->kicked();
        return rest_of(**block);
    }
    if (auto* const card = std::get_if<VirtioNet*>(&entries_[number].device)) {
        (*card)->kicked(queue);
        return {(*card)->continue_at(), false};
    }
    if (auto* const entropy = std::get_if<VirtioEntropy*>(&entries_[number].device))
        (*entropy)->kicked();
    else if (auto* const console = std::get_if<VirtioConsole*>(&entries_[number].device))
        (*console)->kicked(queue);
    else if (VirtioPmem* const area = pmem(number))
        area->kicked();
    return {};
}

VirtioDevices::Rest VirtioDevices::completed(u32 number)
{
    auto* const block = number < count_ ? std::get_if<VirtioBlock*>(&entries_[number].device) : nullptr;
    if (!block)
        return {};
    (*block)->completed();
    return rest_of(**block);
}

u64 VirtioDevices::continue_at(Entry const& entry)
{
    if (auto* const block = std::get_if<VirtioBlock*>(&entry.device))
        return (*block)->continue_at();
    auto* const card = std::get_if<VirtioNet*>(&entry.device);
    return card ? (*card)->continue_at() : ~0ull;
}

u64 VirtioDevices::continue_at() const
{
    u64 first = ~0ull;
    for (u32 i = 0; i < count_; i++)
        first = std::min(first, continue_at(entries_[i]));
    return first;
}

void VirtioDevices::go_on(u64 now)
{
    bool worked = false;
    for (u32 i = 0, first = turn_; i < count_; i++) {
        u32 const number = (first + i) % count_;
        u64 const at = continue_at(entries_[number]);
        if (at > now || (at == 0 && worked))
            continue;
        if (at == 0) {
            worked = true;
            turn_ = number + 1;
        }
        if (auto* const block = std::get_if<VirtioBlock*>(&entries_[number].device))
            (*block)->go_on();
        else if (auto* const card = std::get_if<VirtioNet*>(&entries_[number].device))
            (*card)->go_on(now);
    }
}

DeviceCounters VirtioDevices::counters(u32 number) const
{
    Transport const& transport = *entries_[number].transport;
    DeviceCounters all{.type = transport.type(), .interrupts = transport.interrupts()};
    if (auto* const block = std::get_if<VirtioBlock*>(&entries_[number].device)) {
        VirtioBlock::Counters const& seen = (*block)->counters();
        all.requests = seen.requests;
        all.refused = seen.malformed + seen.unsupported;
        all.failed = seen.failed;
    }
    return all;
}

VirtioPmem* VirtioDevices::find_pmem(u64 address) const
{
    for (u32 i = 0; i < count_; i++)
        if (VirtioPmem* const found = pmem(i); found && found->area.contains(address))
            return found;
    return nullptr;
}

bool VirtioDevices::in_flight() const
{
    for (u32 i = 0; i < count_; i++)
        if (auto* const block = std::get_if<VirtioBlock*>(&entries_[i].device); block && (*block)->in_flight())
            return true;
    return false;
}

} // namespace kennel::service
