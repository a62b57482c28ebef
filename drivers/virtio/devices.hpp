// SPDX-License-Identifier: Apache-2.0
//
// A guest's virtio devices: where each lies on its PCI, and which one an access or an event is for. The closed list of what a
// device can be is here; everything else about one is in its own file. README.md says how to add one.
//
//   device n    PCI device first_slot + n, ports from first_port + n * 256, MSI-X page in the PCI window
//   its events  in the service's event page: device * 2 + queue, in the guest's own half of a word
//
// What a device has is called directly, and what it lacks is not called at all:
//
//   transport                   its registers, queues and interrupts                                    needed
//   changed(change)             what its driver did to it; at a reset it calls transport.finish_reset()  needed
//   kicked() or kicked(queue)   its driver's doorbell                                                    needed
//   is_offered()                whether this machine can have it                                         of EveryGuest's, may be missing
//   power_on()                  after the transport's                                                    may be missing
//   take_change()               once: kicked() or completed() left something to look after               may be missing: never
//   continue_at(), go_on(now)   work that is left over: from which TSC value on, and doing it            may be missing
//   in_flight(), completed()    a medium moves bytes of the guest's RAM; it has news                     may be missing
#pragma once
#include "drivers/virtio/block.hpp"
#include "drivers/virtio/console.hpp"
#include "drivers/virtio/entropy.hpp"
#include "drivers/virtio/net.hpp"
#include "drivers/virtio/pmem.hpp"
#include <tuple>
#include <variant>

namespace kennel::service {

// The list, in two parts. Of these each guest has one, if the machine can have them, behind those it is given:
using EveryGuest = std::tuple<VirtioEntropy>;
// and of these what somebody gives it (add): disks, cards and areas by the manifest, the console by the kernel's command line.
template<class... One> std::variant<VirtioBlock*, VirtioNet*, VirtioConsole*, VirtioPmem*, One*...> any_device(std::tuple<One...> const&);

class VirtioDevices {
public:
    static constexpr u32 most = 14, first_slot = 2, events = 32;
    static constexpr u16 first_port = 0x1000;
    static constexpr u32 first_address = PciHost::window_base + 0x10'0000;
    static_assert(first_slot + most <= PciHost::devices && most * Transport::most_queues <= events);

    // In the order of the guest's PCI. False: there are as many as there can be.
    template<class T> bool add(T& device)
    {
        if (count_ == most)
            return false;
        entries_[count_++] = {&device.transport, &device};
        if constexpr (std::is_same_v<T, VirtioPmem>)
            areas_from_ = std::min(areas_from_, device.area.address());
        return true;
    }
    // The guest's own of EveryGuest: those it has, as far as there is room.
    void add_own();
    u32 count() const { return count_; }
    Transport& transport(u32 number) { return *entries_[number].transport; }
    // Null: device `number`, below count(), is no pmem.
    VirtioPmem* pmem(u32 number) const
    {
        auto* const found = std::get_if<VirtioPmem*>(&entries_[number].device);
        return found ? *found : nullptr;
    }
    // Whose area the address is in. Null: nobody's.
    VirtioPmem* pmem_at(u64 address) const { return address < areas_from_ ? nullptr : find_pmem(address); }

    static constexpr u16 port_of(u32 number) { return static_cast<u16>(first_port + number * Transport::ports); }
    static constexpr u16 notify_port(u32 number, u32 queue) { return static_cast<u16>(port_of(number) + Transport::notify_ports + 4 * queue); }

    // Where kicks of these devices arrive: from event `first_event` on, as event_of() says.
    struct Place { u32 cpu, first_event; };
    void power_on(PciHost& pci, GuestMemory const& memory, InterruptSink& interrupts);
    // After the guest's end, when no medium works for it any more: what its driver left is served no further.
    void power_off();
    void set_place(Place const& place) { place_ = place; }
    u32  event_of(u32 number, u32 queue) const { return place_.first_event + number * Transport::most_queues + queue; }

    bool owns_port(u16 port) const { return static_cast<u32>(port - first_port) < count_ * Transport::ports; }
    u32  read_port(u16 port, u32 size) { return entry(port).transport->read_port(port % Transport::ports, size); }
    void write_port(u16 port, u32 size, u32 value);
    // A device of the PCI; `slot` is any number.
    bool owns_slot(u32 slot) const { return slot - first_slot < count_; }
    u32  read_memory(u32 slot, u32 offset, u32 size) { return entries_[slot - first_slot].transport->read_memory(offset, size); }
    void write_memory(u32 slot, u32 offset, u32 size, u32 value) { entries_[slot - first_slot].transport->write_memory(offset, size, value); }
    // What configuration space brought about, after a write to it.
    void configuration_written();

    // A driver's kick, and news from a device's medium; numbers beyond the list mean nothing. -> rest() may be another than before.
    bool kicked(u32 number, u32 queue);
    bool completed(u32 number);
    // What a device has left over, and whether its medium works for it; number < count().
    struct Rest { u64 continue_at = ~0ull; bool in_flight = false; };
    Rest rest(u32 number) const { return rest(entries_[number]); }
    // A medium still moves bytes of the guest's RAM.
    bool in_flight() const;
    // TSC value from which go_on() shall be called; 0: when there is time; ~0: nothing is left over.
    u64  continue_at() const;
    // What has a time and is due, and a portion of what one device left over, each time the next.
    void go_on(u64 now);

private:
    using Any = decltype(any_device(EveryGuest{}));

    struct Entry {
        Transport* transport = nullptr;
        Any        device;

        // As Medium's, with no table of functions: a disk is found first.
        template<usize index = 0, class Do> decltype(auto) on(Do&& act) const
        {
            if constexpr (index + 1 < std::variant_size_v<Any>)
                if (device.index() != index) [[unlikely]]
                    return on<index + 1>(act);
            return act(**std::get_if<index>(&device));
        }
    };

    Entry& entry(u16 port) { return entries_[(port - first_port) / Transport::ports]; }
    void   carry_out(Entry& entry, Transport::Change change)
    {
        if (change != Transport::Change::none) [[unlikely]]
            changed(entry, change);
    }
    void   changed(Entry& entry, Transport::Change change);
    VirtioPmem* find_pmem(u64 address) const;
    static Rest rest(Entry const& entry);

    EveryGuest own_;
    Entry entries_[most];
    u32   count_ = 0;
    u32   turn_ = 0;                                  // the device that goes on first
    u64   areas_from_ = ~0ull;                        // the lowest address of them all
    Place place_{};
};

} // namespace kennel::service
