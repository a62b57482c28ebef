// SPDX-License-Identifier: Apache-2.0
//
// See devices.hpp.
#include "drivers/virtio/devices.hpp"

namespace kennel::service {

namespace {

template<class T> bool take_change_of(T& device)
{
    if constexpr (requires { device.take_change(); })
        return device.take_change();
    return false;
}

} // namespace

void VirtioDevices::add_own()
{
    auto const offer = [this](auto& device) {
        if constexpr (requires { device.is_offered(); })
            if (!device.is_offered())
                return;
        static_cast<void>(add(device));
    };
    std::apply([&](auto&... device) { (offer(device), ...); }, own_);
}

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

[[gnu::noinline]] void VirtioDevices::changed(Entry& entry, Transport::Change change)
{
    entry.on([&](auto& device) { device.changed(change); });
    if (change != Transport::Change::started)
        return;
    // What the driver made available before counts as announced now, and is served as that: by the event.
    u32 const number = static_cast<u32>(&entry - entries_);
    for (u32 queue = 0; queue < entry.transport->queue_count(); queue++)
        static_cast<void>(event_raise(place_.cpu, event_of(number, queue)));
}

bool VirtioDevices::kicked(u32 number, u32 queue)
{
    if (number >= count_ || queue >= entries_[number].transport->queue_count())
        return false;
    return entries_[number].on([&](auto& device) {
        if constexpr (requires { device.kicked(queue); })
            device.kicked(queue);
        else
            device.kicked();
        return take_change_of(device);
    });
}

bool VirtioDevices::completed(u32 number)
{
    if (number >= count_)
        return false;
    return entries_[number].on([](auto& device) {
        if constexpr (requires { device.completed(); })
            device.completed();
        return take_change_of(device);
    });
}

VirtioDevices::Rest VirtioDevices::rest(Entry const& entry)
{
    return entry.on([](auto const& device) {
        Rest rest;
        if constexpr (requires { device.continue_at(); })
            rest.continue_at = device.continue_at();
        if constexpr (requires { device.in_flight(); })
            rest.in_flight = device.in_flight();
        return rest;
    });
}

u64 VirtioDevices::continue_at() const
{
    u64 first = ~0ull;
    for (u32 i = 0; i < count_; i++)
        first = std::min(first, rest(entries_[i]).continue_at);
    return first;
}

void VirtioDevices::go_on(u64 now)
{
    bool worked = false;
    for (u32 i = 0, first = turn_; i < count_; i++) {
        u32 const number = (first + i) % count_;
        u64 const at = rest(entries_[number]).continue_at;
        if (at > now || (at == 0 && worked))
            continue;
        if (at == 0) {
            worked = true;
            turn_ = number + 1;
        }
        entries_[number].on([&](auto& device) {
            if constexpr (requires { device.go_on(now); })
                device.go_on(now);
        });
    }
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
        if (rest(entries_[i]).in_flight)
            return true;
    return false;
}

} // namespace kennel::service
