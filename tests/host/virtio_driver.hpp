// SPDX-License-Identifier: Apache-2.0
//
// A virtio driver by hand, for host tests: rings in a guest's RAM that is a vector, registers through the transport. Every word
// can be made wrong.
#pragma once
#include "drivers/virtio/block.hpp"
#include "tests/host/service_fake.hpp"
#include <vector>

namespace kennel::service::fake {

inline constexpr u64 ram_bytes = 1 << 20, descriptors_at = 0x1000, available_at = 0x2000, used_at = 0x3000, data_at = 0x10000;

struct Rings {
    std::vector<u8> ram = std::vector<u8>(ram_bytes);
    GuestMemory     memory;
    u16             size = 8, made = 0;

    Rings() { memory.add(ram.data(), ram.size()); }
    template<class T> void put(u64 at, T value) { memory.copy_out(at, value); }
    template<class T> T get(u64 at) const
    {
        T value{};
        memory.copy_in(at, value);
        return value;
    }
    void describe(u32 index, u64 address, u32 length, u16 flags, u16 next = 0)
    {
        put(descriptors_at + 16 * index, wire::Descriptor{address, length, flags, next});
    }
    void make_available(u16 head)
    {
        put(available_at + 4 + 2 * (made % size), head);
        put(available_at + 2, ++made);
    }
    u16 used() const { return get<u16>(used_at + 2); }
    u32 used_head(u16 index) const { return get<u32>(used_at + 4 + 8 * (index % size)); }
    u32 used_bytes(u16 index) const { return get<u32>(used_at + 4 + 8 * (index % size) + 4); }
};

// From reset to DRIVER_OK with queue 0, as Linux does it, accepting `features` besides VERSION_1. The status that was read back.
template<class Device> u32 bring_up(Device& device, Rings const& rings, u64 features = 0)
{
    using namespace wire::common;
    Transport& transport = device.transport;
    device.changed(transport.write_port(device_status, 1, 0));
    for (u32 status : {1u, 3u})
        transport.write_port(device_status, 1, status);
    features |= wire::feature::version_1;
    for (u32 half : {0u, 1u}) {
        transport.write_port(driver_feature_select, 4, half);
        transport.write_port(driver_feature, 4, static_cast<u32>(features >> 32 * half));
    }
    transport.write_port(device_status, 1, 11);
    transport.write_port(queue_select, 2, 0);
    transport.write_port(queue_size, 2, rings.size);
    transport.write_port(queue_descriptors, 4, descriptors_at);
    transport.write_port(queue_driver, 4, available_at);
    transport.write_port(queue_device, 4, used_at);
    transport.write_port(queue_enable, 2, 1);
    device.changed(transport.write_port(device_status, 1, 15));
    return transport.read_port(device_status, 1);
}

} // namespace kennel::service::fake
