// SPDX-License-Identifier: Apache-2.0
//
// See devices.hpp.
#include "drivers/virtio/devices.hpp"

namespace kennel::service {

void VirtioDevices::power_on(PciHost& pci, GuestMemory const& memory, InterruptSink& interrupts)
{
    for (u32 i = 0; i < count_; i++) {
        entries_[i].transport->power_on(pci.device(first_slot + i), port_of(i), first_address + i * Transport::memory_size, memory, interrupts);
        entries_[i].on([](auto& device) {
            if constexpr (requires { device.power_on(); })
                device.power_on();
        });
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
    entry.on([&](auto& device) { device.changed(change); });
    if (change != Transport::Change::started)
        return;
    // What the driver made available before counts as announced now, and is served as that: by the event.
    u32 const number = static_cast<u32>(&entry - entries_);
    for (u32 queue = 0; queue < entry.transport->queue_count(); queue++)
        static_cast<void>(event_raise(place_.cpu, event_of(number, queue)));
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
        return {(*card)->continue_at(), false, (*card)->continue_at() != ~0ull};
    }
    entries_[number].on([&](auto& device) {
        if constexpr (requires { device.kicked(queue); })
            device.kicked(queue);
        else
            device.kicked();
    });
    return {.changed = true};
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
    u64 at = ~0ull;
    entry.on([&](auto const& device) {
        if constexpr (requires { device.continue_at(); })
            at = device.continue_at();
    });
    return at;
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
