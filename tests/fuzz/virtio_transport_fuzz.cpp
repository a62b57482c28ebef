// SPDX-License-Identifier: Apache-2.0
//
// Any access, in any order, to the registers of a virtio device, its MSI-X page and its configuration space: what was frozen stays,
// features are those that were offered, an interrupt is sent only where its entry allows it and none is lost, and a reset leaves
// nothing of what was before.
#include "drivers/virtio/transport.hpp"
#include "tests/fuzz/virtio_guest.hpp"
#include "tests/host/service_fake.hpp"

using namespace kennel;
using namespace kennel::fuzz;
using namespace kennel::service::wire;

namespace {

constexpr u64 own_features = 0x2'0000'0060;           // two of the device's own, and one above the ring's
constexpr u64 all_features = own_features | feature::indirect_descriptors | feature::event_index | feature::version_1;
constexpr u16 queue_size = 64;
constexpr u64 writable_config = 1ull << 5;

struct Device {
    GuestRam      ram;
    PciFunction   function;
    InterruptSink interrupts;
    Transport     transport{{.type = DeviceType::block, .class_code = 0x01'80'00, .features = own_features, .queue_count = 2, .queue_size = queue_size,
                             .writable_config = writable_config}};

    // As the last look found it.
    bool running = false;
    u64  features = 0;
    Queue::Setup setups[2];
    bool pending[Transport::vectors] = {};

    Device() { interrupts.attach(7); }

    u64 accepted() const
    {
        u64 all = 0;
        for (u32 i = 0; i < 64; i++)
            all |= transport.has(1ull << i) ? 1ull << i : 0;
        return all;
    }
    u16 control() const { return static_cast<u16>(function.read(0x42, 2)); }
    u32 pending_bits() const { return transport.read_memory(0x800, 4); }
    bool masked(u32 vector) const { return transport.read_memory(16 * vector + 12, 4) & 1; }
    usize raised() const { return fake::world().count(abi::Call::interrupt_raise); }

    void check()
    {
        u8 const status = static_cast<u8>(transport.read_port(common::device_status, 1));
        demand(!(status & status::driver_ok) || (status & status::features_ok));
        if ((status & status::features_ok) && !transport.is_resetting())
            demand((accepted() & ~all_features) == 0 && transport.has(feature::version_1));
        for (u32 i = 0; i < 2; i++) {
            Queue::Setup const& setup = transport.queue(i).setup;
            demand(setup.size && setup.size <= queue_size && (setup.size & (setup.size - 1)) == 0);
            demand(setup.vector < 3 || setup.vector == no_vector);
            demand(!transport.queue(i).is_running() || (setup.enabled && transport.is_running()));
            if (running && transport.is_running()) {
                Queue::Setup const& old = setups[i];
                demand(old.size == setup.size && old.enabled == setup.enabled && old.descriptors == setup.descriptors && old.available == setup.available && old.used == setup.used);
            }
            setups[i] = setup;
        }
        if (running && transport.is_running())
            demand(features == accepted());
        running = transport.is_running();
        features = accepted();
        // What waits is masked, and only that.
        bool const quiet = !(control() & 0x8000) || (control() & 0x4000);
        for (u32 i = 0; i < Transport::vectors; i++)
            demand(!(pending_bits() >> i & 1) || quiet || masked(i));
        demand((pending_bits() >> Transport::vectors) == 0);
    }

    void check_initial()
    {
        demand(transport.read_port(common::device_status, 1) == 0 && !transport.is_running() && accepted() == 0);
        demand(transport.read_port(common::config_vector, 2) == no_vector && transport.read_port(0x40, 1) == 0);
        for (u32 i = 0; i < 2; i++) {
            Queue::Setup const& setup = transport.queue(i).setup;
            demand(setup.size == queue_size && setup.vector == no_vector && !setup.enabled && !setup.descriptors && !setup.available && !setup.used);
            demand(!transport.queue(i).is_running());
        }
    }
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(unsigned char const* data, size_t size)
{
    static Device device;
    fake::reset();
    Input input{data, size};
    Transport& transport = device.transport;
    device.running = false;
    transport.power_on(device.function, 0x1000, 0xc010'0000, device.ram.memory, device.interrupts);
    device.check_initial();

    auto const carry_out = [&](Transport::Change change) {
        if (change == Transport::Change::reset) {
            demand(transport.is_resetting());
            // Requests may still be in flight: until they are not, nothing can be set up.
            if (input.take<u8>() & 1) {
                transport.write_port(common::queue_size, 2, 2);
                transport.write_port(common::device_status, 1, 15);
            }
            transport.finish_reset();
            device.check_initial();
            device.running = false;
        }
        demand(change != Transport::Change::started || transport.is_running());
    };
    while (!input.empty()) {
        u8 const what = input.take<u8>();
        u32 const width = 1u << what / 8 % 3;
        usize const raised = device.raised();
        u32 const before = device.pending_bits();
        switch (what % 8) {
        case 0:
            carry_out(transport.write_port(input.take<u8>() % Transport::notify_ports, width, input.take<u32>()));
            break;
        case 1: {
            u32 const value = transport.read_port(input.take<u8>(), width);
            demand(width == 4 || value < 1u << 8 * width);
            break;
        }
        case 2:
            transport.write_memory(input.take<u16>() % Transport::memory_size, width, input.take<u32>());
            break;
        case 3:
            transport.write_memory(4 * (input.take<u8>() % 16u), 4, input.take<u32>());
            break;
        case 4: {
            u32 const offset = input.take<u8>() & ~(width - 1), value = input.take<u32>();
            if (what & 0x80) {
                u32 seen = device.function.read(offset, width);
                transport.read_config(offset, width, seen);
            } else {
                device.function.write(offset, width, value);
                transport.config_written(offset, width, value);
                carry_out(transport.take_window_change());
            }
            break;
        }
        case 5: {
            // Towards a device that runs, as a driver goes.
            transport.write_port(common::driver_feature_select, 4, 1);
            transport.write_port(common::driver_feature, 4, 1 | (input.take<u8>() % 4));
            transport.write_port(common::queue_select, 2, input.take<u8>() % 3);
            transport.write_port(common::queue_descriptors, 4, input.take<u16>() & ~15u);
            transport.write_port(common::queue_driver, 4, input.take<u16>());
            transport.write_port(common::queue_device, 4, input.take<u16>() & ~3u);
            transport.write_port(common::queue_vector, 2, input.take<u8>() % 4);
            transport.write_port(common::queue_enable, 2, 1);
            carry_out(transport.write_port(common::device_status, 1, what & 0x80 ? 15 : 11));
            break;
        }
        case 6: {
            u32 const queue = what >> 7;
            u16 const vector = transport.queue(queue).setup.vector;
            bool const on = device.control() & 0x8000, open = on && !(device.control() & 0x4000) && vector < 3 && !device.masked(vector);
            transport.interrupt_queue(queue);
            demand(device.raised() == raised + open);
            demand(open || !on || vector >= 3 || (device.pending_bits() >> vector & 1));
            break;
        }
        case 7:
            if (what & 0x80)
                transport.break_down();
            else
                transport.config_changed();
            break;
        }
        // A message that waited was sent, or waits still.
        if (what % 8 == 2 || what % 8 == 3 || (what % 8 == 4 && !(what & 0x80))) {
            u32 const gone = before & ~device.pending_bits();
            demand(device.raised() == raised + static_cast<u32>(__builtin_popcount(gone)));
        }
        device.check();
    }
    return 0;
}
