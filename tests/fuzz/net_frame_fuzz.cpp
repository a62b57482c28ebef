// SPDX-License-Identifier: Apache-2.0
//
// Frames of any bytes in any pieces, with any wish for checksums and segments, through a bridge to receivers of every kind.
// What arrives is bounded, whole, and has right checksums where the service made them.
#include "drivers/net/bridge.hpp"
#include "tests/fuzz/input.hpp"
#include "tests/host/net_frames.hpp"
#include <memory>

using namespace kennel;
using namespace kennel::service::net;
using namespace kennel::service::net::test;

namespace kennel::service {
void copy_bytes(void* to, void const* from, u64 bytes)
{
    if (bytes)
        std::memcpy(to, from, bytes);
}
}

namespace {

struct Receivers {
    u32 frames = 0;
    u8  answers[max_ports] = {};
    Accepts accepts[max_ports] = {};

    Delivery deliver(PortNumber port, Frame const& frame)
    {
        return suit(frame, accepts[port], [&](Frame const& suited) {
            fuzz::demand(++frames <= 8 * max_segments);
            Bytes const bytes = bytes_of(suited);
            fuzz::demand(bytes.size() == suited.size);
            if (frame.offload.segmentation != Segmentation::none && suited.offload.segmentation == Segmentation::none) {
                fuzz::demand(suited.size <= accepts[port].largest);
                if (frame.offload.segmentation == Segmentation::tcp4 && bytes[12] == 8) {
                    usize const transport = 14 + (bytes[14] & 15u) * 4;
                    fuzz::demand(plain_sum(bytes, 14, transport) == 0xffff);
                    u32 const size = static_cast<u32>(bytes.size() - transport);
                    fuzz::demand(plain_sum(bytes, transport, bytes.size(), plain_sum(bytes, 26, 34, 6 + size)) == 0xffff);
                }
            }
            return static_cast<Delivery>(answers[port] % 3);
        });
    }
};

} // namespace

int LLVMFuzzerTestOneInput(unsigned char const* data, size_t size)
{
    fuzz::Input input{data, size};
    Receivers receivers;
    auto const bridge = std::make_unique<Bridge<Receivers>>(receivers, 1000);
    u32 const ports = 1 + input.take<u8>() % 8;
    for (u32 i = 0; i < ports; i++) {
        u8 const kind = input.take<u8>();
        bridge->add({.address = kind & 1 ? mac(static_cast<u8>(i)) : MacAddress{}, .own_address_only = (kind & 3) == 1, .is_trunk = (kind & 12) == 12, .flood_interval = kind & 16 ? 10u : 0u, .flood_burst = 4});
        receivers.accepts[i] = {(kind & 32) != 0, (kind & 64) != 0, (kind & 128) != 0, plain_frame};
        receivers.answers[i] = input.take<u8>() & 1;
    }
    u64 now = 0;
    while (!input.empty()) {
        u8 const from = input.take<u8>(), shape = input.take<u8>();
        Offload offload{input.take<u8>() % 2 != 0, input.take<u16>(), input.take<u16>(), static_cast<Segmentation>(input.take<u8>() % 3), input.take<u16>()};
        Bytes bytes;
        if (shape & 1) {                               // mostly right
            Bytes payload(input.take<u16>() % 9000);
            bytes = ipv4(mac(input.take<u8>() % 10), mac(input.take<u8>() % 10), 1, 2, 6, tcp(1, 2, 3, input.take<u8>(), payload));
            if (shape & 2)
                offload = {true, 34, 16, Segmentation::tcp4, offload.segment_bytes};
            if (shape & 4)
                bytes[input.take<u8>() % 54] ^= input.take<u8>();
        } else {
            auto const some = input.bytes(input.take<u16>() % 2000);
            bytes.assign(some.begin(), some.end());
        }
        if (bytes.size() < sizeof(EthernetHeader))
            continue;
        std::vector<usize> cuts;
        usize at = 14;
        for (u32 i = 0; i < (shape >> 4); i++)
            cuts.push_back(at += 1 + input.take<u8>());
        receivers.frames = 0;
        bridge->forward(from % bridge->count(), Held{bytes, cuts, 14, offload}.frame, now += input.take<u8>());
    }
    return 0;
}
