// SPDX-License-Identifier: Apache-2.0
//
// Alone on a network, it sends whatever can be sent: frames for the witnesses' network, in others' names, of every size, with
// offloads that make no sense, garbage for the services, and floods of all that. The witnesses listen; the bridge counts, by the
// reasons that tests/machine/run looks for.
#include "tests/machine/guest/net.hpp"
#include "tests/machine/guest/verdict.hpp"

namespace kennel::guest {

constinit char const* const title = "hostile net: frames for others' networks, in others' names, malformed, and in floods";

namespace {

constexpr u64 run_ticks = 100'000'000;
constexpr u32 own_network = 0, others_network = 1;
constexpr u16 size = 256, header_bytes = sizeof(net::EthernetHeader);
constexpr u32 most = 70'000;

NetDriver<size> card;
alignas(16) u8 frame[most];
u64 state = 0x9e37'79b9'7f4a'7c15;

u64 random()
{
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return state;
}

constexpr net::MacAddress witnesses[] = {net::MacAddress::from(0x5254'0000'0000), net::MacAddress::from(0x5254'0000'0001)};

// A frame of so many bytes, with nonsense behind the header.
void prepare(net::MacAddress destination, net::MacAddress source, u16 type, u32 bytes)
{
    for (u32 i = header_bytes & ~7u; i < bytes; i += 8)
        *reinterpret_cast<u64*>(frame + i) = random();
    net::write_header(frame, 0, net::EthernetHeader{destination, source, type});
}
void prepare(net::MacAddress destination, net::EtherType type, u32 bytes) { prepare(destination, card.address(), static_cast<u16>(type), bytes); }

// To those on the other network, by name or to everybody, plain and tagged for any virtual network.
void to_others(Verdict& verdict)
{
    net::MacAddress const groups[] = {net::everybody, net::MacAddress::from(0x0100'5e00'0001), net::MacAddress::from(0x3333'0000'0001), net::MacAddress::from(0x0180'c200'0000)};
    for (net::EtherType const type : {net::EtherType::ipv4, net::EtherType::arp, net::EtherType::vlan, net::EtherType::ipv6}) {
        for (net::MacAddress const witness : witnesses) {
            prepare(witness, type, 64 + random() % 1400);
            verdict.that("a frame to a witness", card.send(frame, 200));
        }
        for (net::MacAddress const group : groups) {
            prepare(group, type, 64 + random() % 1400);
            verdict.that("a frame to a group", card.send(frame, 200));
        }
        prepare(service_on(others_network), type, 100);
        verdict.that("a frame to the other network's service", card.send(frame, 100));
    }
    for (u32 tag = 0; tag < 4096; tag += 64) {        // IEEE 802.1Q, "VLAN Tag"; two of them, so that one may be taken off
        prepare(witnesses[tag / 64 % 2], net::EtherType::vlan, 200);
        net::write_header(frame, header_bytes, net::Big16{static_cast<u16>(tag)});
        net::write_header(frame, header_bytes + 2u, net::Big16{static_cast<u16>(net::EtherType::vlan)});
        net::write_header(frame, header_bytes + 4u, net::Big16{static_cast<u16>(4095 - tag)});
        verdict.that("a tagged frame", card.send(frame, 200));
    }
}

void in_others_names(Verdict& verdict)
{
    net::MacAddress const sources[] = {witnesses[0], witnesses[1], service_on(own_network), service_on(others_network), net::everybody, {}, net::MacAddress::from(0x0100'5e00'0001)};
    for (net::MacAddress const source : sources)
        for (net::MacAddress const destination : {witnesses[0], net::everybody, service_on(own_network)}) {
            prepare(destination, source, static_cast<u16>(net::EtherType::arp), 100);
            verdict.that("a frame in another's name", card.send(frame, 100));
        }
}

void of_every_size(Verdict& verdict)
{
    prepare(net::everybody, net::EtherType::ipv4, most);
    for (u32 bytes = 0; bytes <= 20; bytes++)
        verdict.that("a short frame", card.send(frame, bytes));
    for (u32 const bytes : {1514u, 1518u, 1519u, 2048u, 9000u, 65535u, 65550u, most})
        verdict.that("a long frame", card.send(frame, bytes));
    card.outgoing.descriptors[0] = {address_of(&card.header), 5, 0, 0};
    verdict.that("half a header", card.offer(0));
}

// Flags, kinds and offsets of all kinds, of frames that look right but for those.
void with_bad_offloads(Verdict& verdict)
{
    for (u32 i = 0; i < 200; i++) {
        prepare(i % 2 ? service_on(own_network) : witnesses[i / 2 % 2], i % 4 ? net::EtherType::ipv4 : net::EtherType::ipv6, 4096);
        frame[header_bytes] = i % 4 ? 0x45 : 0x60;
        frame[header_bytes + 9] = 6;
        u64 const a = random(), b = random();
        card.header = {static_cast<u8>(a & 3), static_cast<u8>(a >> 8 & 7), static_cast<u16>(a >> 16), static_cast<u16>(a >> 32 & 1 ? 0 : b), static_cast<u16>(b >> 16 & (i % 3 ? 0x3f : 0xffff)),
                       static_cast<u16>(b >> 32 & (i % 3 ? 0x1f : 0xffff)), static_cast<u16>(b >> 48)};
        verdict.that("a frame with offloads", card.send(frame, 20 + random() % 4000));
    }
    card.header = {};
}

// A table's entries that no driver makes. Some break the card down: the guest's own affair, until it begins anew.
void with_bad_chains(Verdict& verdict)
{
    wire::Descriptor const heads[] = {
        {0x7fff'ffff'f000, 100, 0, 0},                             // outside its memory
        {~0ull - 8, 100, 0, 0},                                    // around the end of all addresses
        {address_of(frame), 100, wire::descriptor::write, 0},      // for us to write
        {address_of(frame), 0xffff'ffff, 0, 0},                    // all there is
        {address_of(frame), 100, wire::descriptor::next, 0},       // a ring
        {address_of(frame), 100, wire::descriptor::next, size},    // behind the table
        {address_of(frame), 100, wire::descriptor::indirect, 0},   // a feature that was not taken
    };
    for (wire::Descriptor const& head : heads) {
        card.outgoing.descriptors[0] = head;
        static_cast<void>(card.offer(0));
        if (card.device.needs_reset())
            verdict.that("it begins anew", card.begin());
    }
    verdict.that("a driver", card.begin());
}

// A packet whose header is right, for the service; what it carries is nonsense.
u32 packet_for_service(net::Protocol protocol, u16 port, u32 payload)
{
    constexpr u32 ip = header_bytes, transport = ip + sizeof(net::Ipv4Header);
    u32 const bytes = transport + static_cast<u32>(sizeof(net::UdpHeader)) + payload;
    prepare(port == 67 && random() % 2 ? net::everybody : service_on(own_network), net::EtherType::ipv4, bytes);
    u32 const to = port == 67 && random() % 2 ? ~0u : subnet_of(own_network) | 1;
    net::Ipv4Header header{0x45, 0, static_cast<u16>(bytes - ip), static_cast<u16>(random()), static_cast<u16>(random() % 8 ? 0 : random()), 64, static_cast<u8>(protocol), 0,
                           static_cast<u32>(random() % 4 ? subnet_of(own_network) | (random() & 0xff) : random()), to};
    net::write_header(frame, ip, header);
    header.checksum = checksum(frame + ip, sizeof header);
    net::write_header(frame, ip, header);
    if (protocol == net::Protocol::udp)
        net::write_header(frame, transport, net::UdpHeader{static_cast<u16>(port == 67 ? 68 : random()), port, static_cast<u16>(random() % 8 ? bytes - transport : random()), 0});
    return bytes;
}

// RFC 2131, "Protocol Summary": somebody new asks for an address each time. Else nothing of that.
u32 dhcp_packet(bool better)
{
    constexpr u32 message = header_bytes + sizeof(net::Ipv4Header) + sizeof(net::UdpHeader), client = message + 28, cookie = message + 236;
    u32 const bytes = packet_for_service(net::Protocol::udp, 67, 300);
    if (better) {
        net::write_header(frame, message, net::Big32{0x0101'0600});
        net::write_header(frame, message + 24, net::Big32{});                    // no relay
        net::write_header(frame, client, net::MacAddress::from(random() >> 16 & ~(1ull << 40)));
        net::write_header(frame, cookie, net::Big32{0x6382'5363});
        net::write_header(frame, cookie + 4, net::Big32{0x3501'01ff});      // DHCPDISCOVER, and the end
    }
    return bytes;
}

// RFC 1035, "Header section format": one question, with nonsense in its place. Else nothing of that.
u32 dns_packet(bool better)
{
    constexpr u32 message = header_bytes + sizeof(net::Ipv4Header) + sizeof(net::UdpHeader);
    u32 const bytes = packet_for_service(net::Protocol::udp, 53, random() % 700);
    if (better) {
        net::write_header(frame, message + 2, net::Big32{0x0100'0001});
        net::write_header(frame, message + 6, net::Big32{});
    }
    return bytes;
}

void with_garbage(Verdict& verdict)
{
    for (u32 i = 0; i < 100; i++) {
        bool const better = i % 2;
        prepare(service_on(own_network), net::EtherType::arp, 60);
        if (better)
            net::write_header(frame, header_bytes, ArpPacket{1, static_cast<u16>(net::EtherType::ipv4), 6, 4, static_cast<u16>(1 + i / 2 % 2), net::MacAddress::from(random() >> 16),
                                                             subnet_of(own_network) | (i & 0xff), card.address(), subnet_of(own_network) | 1});
        verdict.that("an ARP packet", card.send(frame, 60));
        verdict.that("a DHCP packet", card.send(frame, dhcp_packet(better)));
        verdict.that("a DNS packet", card.send(frame, dns_packet(better)));
        verdict.that("another packet", card.send(frame, packet_for_service(i % 2 ? net::Protocol::tcp : net::Protocol::icmp, 0, random() % 1400)));
    }
}

void in_floods(Verdict& verdict)
{
    for (u32 i = 0; i < 200; i++) {                   // of addresses
        prepare(net::MacAddress::from(random() >> 16 & ~(1ull << 40)), i % 2 ? card.address() : net::MacAddress::from(random() >> 16), 0x88b5, 64);
        verdict.that("a frame of a flood", card.send(frame, 64));
    }
    for (net::MacAddress const destination : {net::everybody, witnesses[0], service_on(own_network)}) {
        prepare(destination, net::EtherType::arp, 1500);
        verdict.that("a flood of one frame", card.send(frame, 1500, size));
    }
    verdict.that("a flood of names asked for", card.send(frame, dns_packet(true), size));
    verdict.that("a flood of addresses asked for", card.send(frame, dhcp_packet(true), size));
}

} // namespace

void check(Verdict& verdict)
{
    verdict.that("there is a card", card.find());
    u64 const begin = rdtsc();
    do {
        verdict.that("a driver", card.begin());
        to_others(verdict);
        in_others_names(verdict);
        of_every_size(verdict);
        with_bad_offloads(verdict);
        with_bad_chains(verdict);
        with_garbage(verdict);
        in_floods(verdict);
        verdict.that("the service still answers", card.service_answers(own_network));
    } while (rdtsc() - begin < run_ticks);
}

} // namespace kennel::guest
