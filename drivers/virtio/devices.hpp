// SPDX-License-Identifier: Apache-2.0
//
// A guest's virtio devices: where each lies on its PCI, and which one an access or an event is for. The closed list of what a
// device can be is here; everything else about one is in its own file.
//
//   device n    PCI device first_slot + n, ports from first_port + n * 256, MSI-X page in the PCI window
//   its events  in the service's event page: device * 2 + queue, in the guest's own half of a word
#pragma once
#include "drivers/virtio/block.hpp"
#include "drivers/virtio/console.hpp"
#include "drivers/virtio/entropy.hpp"
#include "drivers/virtio/net.hpp"
#include "drivers/virtio/pmem.hpp"
#include <variant>

namespace kennel::service {

// What a device did for its guest since the guest was planned, for whoever asks: a plain value, to be read on its home.
struct DeviceCounters {
    wire::DeviceType type{};
    u64 requests = 0;                                 // of a disk; of other devices nothing is counted but interrupts
    u64 refused = 0;                                  // malformed, or of a kind the device does not have
    u64 failed = 0;                                   // ended with an I/O error of the medium's
    u64 interrupts = 0;
};

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

    DeviceCounters counters(u32 number) const;        // number < count()

    // A driver's kick, and news from a disk's medium; numbers beyond the list mean nothing. -> what is left of it.
    struct Rest { u64 continue_at = ~0ull; bool in_flight = false, changed = false; };   // changed: there is something to remember
    Rest kicked(u32 number, u32 queue);
    Rest completed(u32 number);
    // A medium still moves bytes of the guest's RAM.
    bool in_flight() const;
    // TSC value from which go_on() shall be called; 0: when there is time; ~0: nothing is left over.
    u64  continue_at() const;
    // What has a time and is due, and a portion of what one device left over, each time the next.
    void go_on(u64 now);

private:
    // All there is of a kind of device here. Each has `transport`, `changed` and `kicked`; which have more is found out where that is called.
    using Any = std::variant<VirtioBlock*, VirtioNet*, VirtioEntropy*, VirtioConsole*, VirtioPmem*>;

    struct Entry {
        Transport* transport = nullptr;
        Any        device;

        // As Medium's, with no table of functions.
        template<usize index = 0, class Do> void on(Do&& act) const
        {
            if constexpr (index + 1 < std::variant_size_v<Any>)
                if (device.index() != index)
                    return on<index + 1>(act);
            act(**std::get_if<index>(&device));
        }
    };

    Entry& entry(u16 port) { return entries_[(port - first_port) / Transport::ports]; }
    void   carry_out(Entry& entry, Transport::Change change);
    VirtioPmem* find_pmem(u64 address) const;
    static u64  continue_at(Entry const& entry);
    static Rest rest_of(VirtioBlock& block) { return block.take_change() ? Rest{block.continue_at(), block.in_flight(), true} : Rest{}; }

    Entry entries_[most];
    u32   count_ = 0;
    u32   turn_ = 0;                                  // the device that goes on first
    u64   areas_from_ = ~0ull;                        // the lowest address of them all
    Place place_{};
};

} // namespace kennel::service
