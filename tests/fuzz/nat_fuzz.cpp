// SPDX-License-Identifier: Apache-2.0
//
// Packets of any kind through NAT, both ways. Whatever goes out comes from our address and from no port below NAT's but a forward's;
// whatever comes in goes to a guest that opened it or that a forward names, and from a guest to one of its own network only; headers stay
// right, and the table bounded.
#include "drivers/net/checksum.hpp"
#include "drivers/net/nat.hpp"
#include "tests/fuzz/input.hpp"
#include <memory>
#include <vector>

using namespace kennel;
using namespace kennel::service::net;

int LLVMFuzzerTestOneInput(unsigned char const* data, size_t size);

int LLVMFuzzerTestOneInput(unsigned char const* data, size_t size)
{
    constexpr u32 ours = 0x0a00'020f, owners = 4, first_guest = 0x0a4e'0010;
    static auto const nat = std::make_unique<Nat>();
    *nat = Nat{};
    fuzz::Input input{data, size};
    nat->begin(1000, owners, input.take<u16>());
    nat->add({Protocol::tcp, 2222, 0, {first_guest}, 22});
    nat->add({Protocol::udp, 53, 1, {first_guest + 1}, 5353});
    nat->add({Protocol::udp, Nat::first_port, 2, {first_guest + 2}, 69});   // one that a connection may get
    u64 now = 1;
    while (!input.empty()) {
        u8 const shape = input.take<u8>();
        now += input.take<u16>() * (shape & 0x80 ? 100u : 0u);
        auto const part = input.bytes(input.take<u8>() % 140);
        std::vector<u8> packet(part.begin(), part.end());
        // Mostly a header that is sound, so that what lies behind it is looked at.
        if ((shape & 7) && packet.size() >= sizeof(Ipv4Header)) {
            auto header = *read_header<Ipv4Header>(packet);
            header.version_length = static_cast<u8>(shape & 8 ? 0x46 : 0x45);
            header.total = static_cast<u16>(packet.size());
            if (shape & 1)
                header.fragment = 0;
            constexpr u8 protocols[] = {1, 6, 17, 17};
            if (shape & 2)
                header.protocol = protocols[shape >> 4 & 3];
            if (shape & 4)
                (shape & 0x40 ? header.source : header.destination) = shape & 0x40 ? first_guest + header.hops % owners : ours;
            if ((shape & 0x44) == 0x44 && header.service & 1)
                header.destination = ours;            // it turns round
            header.checksum = 0;
            write_header(packet, 0, header);
            usize const bytes = (header.version_length & 15u) * 4;
            if (bytes <= packet.size()) {
                header.checksum = field_of(sum_of(std::span<u8 const>{packet}.first(bytes)));
                write_header(packet, 0, header);
            }
        }
        auto const before = read_ipv4(packet, packet.size());
        if (shape & 0x40) {
            u32 const owner = input.take<u8>() % owners;
            if (before && before->destination == Ipv4Address{ours}) {
                NatDrop why;
                if (auto const inside = nat->turn_round(packet, packet.size(), {owner, owner}, {ours}, input.take<u16>(), now, why)) {
                    auto const after = read_ipv4(packet, packet.size());
                    fuzz::demand(after && after->source == Ipv4Address{ours} && after->destination == inside->guest && after->hops + 2 == before->hops && inside->network == owner);
                }
            } else if (nat->outbound(packet, packet.size(), {owner, owner}, {ours}, input.take<u16>(), now) == NatDrop::none) {
                auto const after = read_ipv4(packet, packet.size());
                fuzz::demand(before && after && after->source == Ipv4Address{ours} && after->destination == before->destination && after->hops + 1 == before->hops);
                if (after->protocol != 1) {
                    u16 const port = *read_header<Big16>(packet, after->header_bytes);
                    fuzz::demand(port == 2222 || port == 53 || (port >= Nat::first_port && port < 49152));
                }
            }
        } else {
            NatDrop why;
            if (auto const inside = nat->inbound(packet, packet.size(), now, why)) {
                auto const after = read_ipv4(packet, packet.size());
                fuzz::demand(before && after && after->destination == inside->guest && after->source == before->source && inside->network < owners);
            }
        }
        fuzz::demand(nat->in_use() <= Nat::most);
    }
    return 0;
}
