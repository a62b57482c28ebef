// SPDX-License-Identifier: Apache-2.0
//
// A network card driven by hand: frames of any kind go out one by one, and what came in can be looked at. virtio 1.2, "Network
// Device". Networks are those of tests/machine/run: the service's address and hardware address follow from the number.
#pragma once
#include "drivers/net/headers.hpp"
#include "tests/machine/guest/virtio.hpp"

namespace kennel::guest {

namespace net = service::net;

// "Device Operation": struct virtio_net_hdr.
struct NetHeader {
    u8  flags, segmentation;
    u16 header_bytes, segment_bytes, checksum_start, checksum_offset, buffers;
};
static_assert(sizeof(NetHeader) == 12);

// RFC 826, for Ethernet and IPv4.
struct ArpPacket {
    net::Big16      hardware_type, protocol_type;
    u8              hardware_bytes, protocol_bytes;
    net::Big16      operation;
    net::MacAddress sender;
    net::Big32      sender_address;
    net::MacAddress target;
    net::Big32      target_address;
};
static_assert(sizeof(ArpPacket) == 28);

constexpr net::MacAddress service_on(u32 network) { return net::MacAddress::from(0x024b'4e4c'0000 | network); }
constexpr u32 subnet_of(u32 network) { return 0x0a4e'0000 | network << 8; }

// The Internet checksum (RFC 1071) of an even number of bytes.
inline u16 checksum(u8 const* bytes, u32 count)
{
    u32 sum = 0;
    for (u32 i = 0; i < count; i += 2)
        sum += static_cast<u32>(bytes[i] << 8 | bytes[i + 1]);
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<u16>(~sum);
}

template<u16 size> class NetDriver {
public:
    static constexpr u16 receive_queue = 0, transmit_queue = 1;
    static constexpr u32 buffer_bytes = 2048;

    VirtioDevice device;
    Ring<size>   incoming, outgoing;
    NetHeader    header;

    bool find() { return device.find(wire::DeviceType::network); }

    // All buffers wait for frames. False: it refused.
    bool begin()
    {
        incoming.clear();
        outgoing.clear();
        sent_ = seen_ = 0;
        if (!device.reset() || !device.negotiate(0))
            return false;
        device.set_queue(receive_queue, incoming);
        device.set_queue(transmit_queue, outgoing);
        for (u16 i = 0; i < size; i++) {
            incoming.descriptors[i] = {address_of(buffers_[i]), buffer_bytes, wire::descriptor::write, 0};
            incoming.offer(i);
        }
        device.drive();
        return true;
    }
    net::MacAddress address() const
    {
        net::MacAddress own;
        for (u16 i = 0; i < 6; i++)
            own.bytes[i] = in8(device.at(static_cast<u16>(VirtioDevice::configuration + i)));
        return own;
    }

    // `times` the same frame (at most as many as the ring has), which the device looks at before this returns. False: it did not.
    bool send(void const* frame, u32 bytes, u16 times = 1)
    {
        outgoing.descriptors[0] = {address_of(&header), sizeof header, static_cast<u16>(bytes ? wire::descriptor::next : 0), 1};
        outgoing.descriptors[1] = {address_of(frame), bytes, 0, 0};
        return offer(0, times);
    }
    // A chain as it is.
    bool offer(u16 head, u16 times = 1)
    {
        for (u16 i = 0; i < times; i++)
            outgoing.offer(head);
        device.kick(transmit_queue);
        sent_ = static_cast<u16>(sent_ + times);
        for (u32 i = 0; i < 20'000'000; i++)
            if (outgoing.given_back() == sent_)
                return true;
            else if (i % 1024 == 1023 && device.needs_reset())
                break;
        return false;
    }

    // Frames that came since the last take().
    u16 waiting() const { return static_cast<u16>(incoming.given_back() - seen_); }
    // The oldest of them, behind its NetHeader. The buffer waits for another frame then.
    template<class Look> void take(Look&& look)
    {
        auto const entry = incoming.used.entries[seen_++ % size];
        look(std::span<u8 const>{buffers_[entry.head] + sizeof(NetHeader), entry.written - sizeof(NetHeader)});
        incoming.offer(static_cast<u16>(entry.head));
    }

    // Does the service of this network tell its hardware address, as it does everybody who asks?
    bool service_answers(u32 network)
    {
        while (waiting())
            take([](auto) {});
        struct [[gnu::packed]] { net::EthernetHeader ethernet; ArpPacket arp; } question{
            {service_on(network), address(), static_cast<u16>(net::EtherType::arp)},
            {1, static_cast<u16>(net::EtherType::ipv4), 6, 4, 1, address(), subnet_of(network) | 200, {}, subnet_of(network) | 1}};
        header = {};
        bool answered = false;
        for (u32 tries = 0; tries < 10 && !answered; tries++) {
            if (!send(&question, sizeof question))
                return false;
            for (u32 i = 0; i < 2'000'000 && !answered; i++)
                while (waiting())
                    take([&](std::span<u8 const> frame) {
                        auto const arp = net::read_header<ArpPacket>(frame, sizeof(net::EthernetHeader));
                        answered |= arp && arp->operation == 2 && arp->sender == service_on(network);
                    });
        }
        return answered;
    }

private:
    u8  buffers_[size][buffer_bytes];
    u16 sent_ = 0, seen_ = 0;
};

} // namespace kennel::guest
