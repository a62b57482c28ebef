// SPDX-License-Identifier: Apache-2.0
//
// Frames of any bytes into the service's own end of a network: ARP, IPv4, UDP and TCP of lwIP, DHCP and DNS behind it. lwIP's own
// assertions are built in. The stack is one for the whole run, as it is one for the life of a machine.
#include "drivers/net/stack.hpp"
#include "tests/fuzz/input.hpp"
#include "tests/host/net_side.hpp"
#include <memory>

using namespace kennel;
using namespace kennel::service;
using namespace kennel::service::net;
using namespace kennel::service::net::test;

namespace {

constexpr u32 guest = 0x0a4e'0010, gateway = 0x0a4e'0001;

struct Wire {
    std::vector<u8> heap_space = std::vector<u8>(1 << 20);
    Heap       heap{heap_space};
    Neighbours neighbours{{Ipv4Address{0x0a4e'0000}, 24}};
    Side       side{0};
    Stack      stack;
    MacAddress service{};

    Wire()
    {
        neighbours.add(mac(1), "web");
        stack.begin(Side::second);
        service = stack.add(heap, side.network, neighbours, false)->address;
    }
};

} // namespace

int LLVMFuzzerTestOneInput(unsigned char const* data, size_t size)
{
    static auto const wire = std::make_unique<Wire>();
    fuzz::Input input{data, size};
    while (!input.empty()) {
        u8 const shape = input.take<u8>();
        auto const part = input.bytes(input.take<u16>() % 1600);
        Bytes payload(part.begin(), part.end());
        MacAddress const to = shape & 1 ? wire->service : everybody;
        u32 const destination = shape & 2 ? gateway : input.take<u32>();
        Bytes frame;
        switch (shape >> 5) {
        case 0: frame = payload; break;
        case 1: frame = ethernet(to, mac(1), 0x0806); frame.insert(frame.end(), payload.begin(), payload.end()); break;
        case 2: frame = summed(ipv4(to, mac(1), guest, destination, 17, udp(4000, shape & 4 ? 53 : 67, payload)), 40); break;
        case 3: frame = summed(ipv4(to, mac(1), guest, destination, 6, tcp(4000, input.take<u16>(), input.take<u32>(), input.take<u8>(), payload)), 50); break;
        default: frame = ipv4(to, mac(1), shape & 4 ? guest : input.take<u32>(), destination, shape & 8 ? 1 : input.take<u8>(), payload, shape & 16 ? input.take<u16>() : 0); break;
        }
        if (frame.size() < sizeof(EthernetHeader) || frame.size() > plain_frame)
            continue;
        wire->side.network.forward(wire->side.port, Held{frame}.frame);
        wire->side.trunk.drain([&](u32, Frame const& answer) { fuzz::demand(answer.size >= sizeof(EthernetHeader) && answer.size <= plain_frame); return true; });
    }
    DnsCounters const& dns = wire->stack.dns_counters();
    fuzz::demand(dns.unanswered(wire->stack.waiting()) == 0);
    return 0;
}
