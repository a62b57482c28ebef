// SPDX-License-Identifier: Apache-2.0
//
// One virtio device on a guest's PCI: its registers, queues and interrupts, and nothing of what the device is for.
// virtio 1.2, "Virtio Over PCI Bus"; modern only.
//
//   BAR 0   256 ports   00 common configuration, 40 ISR, 80 device configuration, c0 notify: four ports for each queue
//   BAR 1   a page      MSI-X table and, from 800 on, the pending bits
//
// Registers are ports because an access to one needs no decoding. The notify ports never come here: hv rings the
// device's doorbell. For that BAR 0 stays where it is: a guest that writes another address there finds nothing.
//
//   status          what the driver may do                  what ends it
//   0, ACK, DRIVER  choose features, set queues up          FEATURES_OK: refused unless all were offered
//   FEATURES_OK     set queues up                           DRIVER_OK: queues start, and are frozen
//   DRIVER_OK       use the queues                          a broken ring, or a register that cannot be: NEEDS_RESET
//   any             write 0: reset; reads as it was until   -
//                   the last request in flight is over
#pragma once
#include "drivers/model/interrupt_sink.hpp"
#include "drivers/model/pci.hpp"
#include "drivers/virtio/queue.hpp"

namespace kennel::service {

class Transport final : public PciConfigPeer {
public:
    static constexpr u32 most_queues = 2, vectors = most_queues + 1, device_config_bytes = 64;
    static constexpr u16 ports = 256, notify_ports = 0xc0;
    static constexpr u32 memory_size = 0x1000;

    struct Recipe {
        wire::DeviceType type;
        u32 class_code;                               // PCI
        u64 features;                                 // the device's own; the ring's are added
        u32 queue_count;
        u16 queue_size;                               // a power of two, at most Queue::most
        u64 writable_config;                          // bit n: the driver may write byte n of the device's configuration
    };

    explicit Transport(Recipe const& recipe) : recipe_{recipe} {}
    Transport(Transport const&) = delete;
    Transport& operator=(Transport const&) = delete;

    // As after power-on: its function appears on the guest's PCI with BARs at `port` and `address`.
    void power_on(PciFunction& function, u16 port, u32 address, GuestMemory const& memory, InterruptSink& interrupts);

    // What a register access means for the device.
    enum class Change : u8 { none, started, reset, configuration };
    u32    read_port(u32 offset, u32 size);
    Change write_port(u32 offset, u32 size, u32 value);
    u32    read_memory(u32 offset, u32 size) const;
    void   write_memory(u32 offset, u32 size, u32 value);

    // By way of configuration space: "PCI configuration access capability".
    void read_config(u32 offset, u32 size, u32& value) override;
    void config_written(u32 offset, u32 size, u32 value) override;

    bool is_running() const { return status_ & wire::status::driver_ok; }
    bool has(u64 feature) const { return accepted_ & feature; }
    u32  queue_count() const { return recipe_.queue_count; }
    Queue& queue(u32 number) { return queues_[number]; }

    // The device's side of reset: nothing of the old time is in flight any more.
    void finish_reset();
    bool is_resetting() const { return resetting_; }

    void interrupt_queue(u32 number);
    void interrupt_configuration();
    // The device cannot go on, with none of its queues: "Device Status Field", DEVICE_NEEDS_RESET.
    void break_down();
    // Answers all that a queue holds, of a device that answers at once: `answer(chain)` -> bytes written to it.
    template<class Answer> void serve(u32 number, Chain& chain, Answer&& answer)
    {
        Queue& queue = queues_[number];
        do {
            for (;;) {
                Queue::Taken const taken = queue.take(chain);
                if (taken == Queue::Taken::none)
                    break;
                if (taken == Queue::Taken::broken)
                    return break_down();
                queue.give_back(chain.head, answer(chain));
            }
            if (queue.publish())
                interrupt_queue(number);
        } while (queue.expect_kick());
    }

    u8 config[device_config_bytes] = {};              // the device's own registers
    void config_changed() { generation_++; }

    // Set by the change a window access brought about, for whoever carries changes out.
    Change take_window_change()
    {
        Change const change = window_change_;
        window_change_ = Change::none;
        return change;
    }

private:
    struct Vector { u64 address = 0; u32 data = 0; bool masked = true, pending = false; };

    u32    read_common(u32 word) const;
    Change write_common(u32 offset, u32 size, u32 value);
    Change write_status(u8 value);
    Change start();
    void   write_queue(u32 offset, u32 size, u32 value);
    bool   may_set_up() const { return !(status_ & wire::status::driver_ok) && !resetting_; }
    u16    checked_vector(u32 value) const { return value < recipe_.queue_count + 1 ? static_cast<u16>(value) : wire::no_vector; }
    u64    offered() const
    {
        return recipe_.features | wire::feature::indirect_descriptors | wire::feature::event_index | wire::feature::version_1;
    }

    void raise(u16 vector);
    void send(Vector const& vector) { interrupts_->raise(vector.address, vector.data); }
    void deliver_pending();
    bool window_hits(u32 offset, u32 size) const;

    Recipe         recipe_;
    PciFunction*   function_ = nullptr;
    GuestMemory const* memory_ = nullptr;
    InterruptSink* interrupts_ = nullptr;
    Queue          queues_[most_queues];
    Vector         vectors_[vectors];

    u64  accepted_ = 0;
    u32  device_feature_select_ = 0, driver_feature_select_ = 0;
    u16  queue_select_ = 0, config_vector_ = wire::no_vector;
    u8   status_ = 0, isr_ = 0, generation_ = 0;
    bool resetting_ = false;
    Change window_change_ = Change::none;
};

} // namespace kennel::service
