// SPDX-License-Identifier: Apache-2.0
//
// The service between a guest's network and the wire: what each side sends, and what the other gets. The machine at the other end of
// the wire is this test: DHCP server, router, name server.
#include "drivers/net/network.hpp"
#include "drivers/net/stack.hpp"
#include "tests/host/net_frames.hpp"
#include "tests/host/net_lwip.hpp"
#include "tests/host/net_side.hpp"
#include "tests/host/service_fake.hpp"
#include <doctest/doctest.h>
#include <memory>

using namespace kennel;
using namespace kennel::service;
using namespace kennel::service::net;
using namespace kennel::service::net::test;

namespace {

constexpr u32 guest = 0x0a4e'0010, gateway = 0x0a4e'0001, ours = 0x0a00'020f, router = 0x0a00'0202, name_server = 0x0a00'0203, peer = 0x0808'0808;
constexpr u64 second = Side::second;

struct House {
    fake::World& world = fake::reset();
    std::vector<u8> heap_space = std::vector<u8>(1 << 20);
    Heap       heap{heap_space};
    Neighbours neighbours{{Ipv4Address{0x0a4e'0000}, 24}};
    Side       inside{0}, outside{16};
    std::unique_ptr<Stack> stack = std::make_unique<Stack>();
    MacAddress service{};
    LwipUser   user;                                  // goes first

    explicit House(bool with_lease = true)
    {
        neighbours.add(mac(1), "web");
        stack->begin(second);
        service = stack->add(heap, inside.network, neighbours, true)->address;
        REQUIRE(stack->add_outside(heap, outside.network, mac(9)));
        REQUIRE(stack->forward({Protocol::tcp, 2222, 0, {guest}, 22}));
        inside.got();
        outside.got();
        stack->link_changed(true);
        if (with_lease)
            lease(router);
    }

    static Bytes dhcp(Bytes const& asked, u8 kind, u32 mask, u32 address)
    {
        Bytes reply(asked.begin() + 42, asked.begin() + 42 + 240);
        reply[0] = 2;
        for (u32 i = 0; i < 4; i++)
            reply[16 + i] = static_cast<u8>(address >> (24 - 8 * i));
        auto const option = [&](u8 code, u32 value) {
            reply.insert(reply.end(), {code, 4});
            put32(reply, value);
        };
        reply.insert(reply.end(), {53, 1, kind});
        option(1, mask);
        option(3, router);
        option(6, name_server);
        option(51, 3600);
        option(54, router);
        reply.push_back(255);
        return summed(ipv4(mac(9), mac(8), router, ~0u, 17, udp(67, 68, reply)), 40);
    }
    void lease(u32, u32 mask = 0xffff'ff00, u32 address = ours)
    {
        auto asked = outside.got();
        REQUIRE(asked.size() == 1);
        REQUIRE(get16(asked[0], 36) == 67);
        outside.send(dhcp(asked[0], 2, mask, address));
        asked = outside.got();
        REQUIRE(asked.size() == 1);
        outside.send(dhcp(asked[0], 5, mask, address));
        CHECK(stack->take_news());
        REQUIRE(stack->outside().is_bound());
        answer_arp();
    }
    // All who are asked for say so, as if all had one card.
    std::vector<Bytes> answer_arp()
    {
        std::vector<Bytes> rest;
        for (auto const& frame : outside.got()) {
            if (get16(frame, 12) != 0x0806) {
                rest.push_back(frame);
                continue;
            }
            if (get16(frame, 20) != 1 || get32(frame, 38) == get32(frame, 28))
                continue;                             // it says who it is itself
            Bytes reply = ethernet(mac(9), mac(8), 0x0806);
            for (u32 const word : {0x0001u, 0x0800u, 0x0604u, 0x0002u})
                put16(reply, word);
            for (u8 const byte : mac(8).bytes)
                reply.push_back(byte);
            put32(reply, get32(frame, 38));
            for (u8 const byte : mac(9).bytes)
                reply.push_back(byte);
            put32(reply, get32(frame, 28));
            outside.send(reply);
        }
        for (auto const& frame : outside.got())
            rest.push_back(frame);
        return rest;
    }
    Bytes from_guest(u32 to, u32 port, u32 source = guest) { return summed(ipv4(service, mac(1), source, to, 17, udp(4000, port, filled(40))), 40); }
};

Bytes question(u16 id, char const* label)
{
    Bytes bytes;
    put16(bytes, id);
    for (u32 const word : {0x0100u, 1u, 0u, 0u, 0u})
        put16(bytes, word);
    std::string const name{label};
    bytes.push_back(static_cast<u8>(name.size()));
    bytes.insert(bytes.end(), name.begin(), name.end());
    bytes.insert(bytes.end(), {7, 'e', 'x', 'a', 'm', 'p', 'l', 'e', 0, 0, 1, 0, 1});
    return bytes;
}

} // namespace

TEST_CASE("outside: an address by DHCP, and nothing by the clock but that")
{
    House house;
    CHECK(house.stack->outside().address == Ipv4Address{ours});
    CHECK(house.stack->outside().router == Ipv4Address{router});
    CHECK(house.stack->outside().name_server == Ipv4Address{name_server});
    CHECK(!house.stack->outside().conflict);
    // Left alone, it wakes once a minute.
    u32 wakes = 0;
    u64 const end = house.world.now + 600 * second;
    for (; house.stack->deadline() < end; wakes++) {
        house.world.now = std::max(house.world.now, house.stack->deadline());
        house.stack->timer(house.world.now);
    }
    CHECK(wakes < 30);
    CHECK(house.outside.got().empty());
}

TEST_CASE("outside: a guest's packets leave under our address and come back to it")
{
    House house;
    house.inside.send(house.from_guest(peer, 53));
    auto out = house.outside.got();
    REQUIRE(out.size() == 1);
    CHECK(read_header<EthernetHeader>(out[0])->destination == mac(8));
    CHECK(read_header<EthernetHeader>(out[0])->source == mac(9));
    CHECK(get32(out[0], 26) == ours);
    CHECK(get32(out[0], 30) == peer);
    u32 const port = get16(out[0], 34);
    house.outside.send(summed(ipv4(mac(9), mac(8), peer, ours, 17, udp(53, port, filled(99))), 40));
    auto in = house.inside.got();
    REQUIRE(in.size() == 1);
    CHECK(read_header<EthernetHeader>(in[0])->destination == mac(1));
    CHECK(read_header<EthernetHeader>(in[0])->source == house.service);
    CHECK(get32(in[0], 30) == guest);
    CHECK(transport_sum(in[0]) == 0xffff);
}

TEST_CASE("outside: a large packet leaves in segments")
{
    House house;
    Bytes large = ipv4(house.service, mac(1), guest, peer, 6, tcp(1000, 80, 7, 0x18, filled(4000)));
    set16(large, 50, pseudo_sum(large));
    Offload const offload{.needs_checksum = true, .checksum_start = 34, .checksum_offset = 16, .segmentation = Segmentation::tcp4, .segment_bytes = 1460, .header_bytes = 54};
    house.inside.network.forward(house.inside.port, Held{large, {}, 14, offload}.frame);
    auto const out = house.outside.got();
    REQUIRE(out.size() == 3);
    for (auto const& frame : out) {
        CHECK(get32(frame, 26) == ours);
        CHECK(get16(frame, 34) == get16(out[0], 34));
        CHECK(transport_sum(frame) == 0xffff);
    }
}

TEST_CASE("outside: what a guest may not send there, and what may not come in")
{
    House house;
    for (u32 const to : {0x0a4e'0011u, 0x7f00'0001u, 0xe000'0001u, 0xa9fe'0001u, 0u, ours, 0x0a00'02ffu}) {
        CAPTURE(to);
        house.inside.send(house.from_guest(to, 53));
        CHECK(house.outside.got().empty());
    }
    house.inside.send(house.from_guest(peer, 53, guest + 1));   // under another's address
    CHECK(house.outside.got().empty());
    CHECK(house.inside.got().empty());
    house.inside.send(house.from_guest(peer, 53));
    auto const out = house.outside.got();
    REQUIRE(out.size() == 1);
    u32 const port = get16(out[0], 34);
    house.outside.send(summed(ipv4(mac(9), mac(8), peer + 1, ours, 17, udp(53, port, filled(9))), 40));
    house.outside.send(summed(ipv4(mac(9), mac(8), peer, guest, 17, udp(53, 4000, filled(9))), 40));         // straight to the guest
    house.outside.send(summed(ipv4(mac(9), mac(8), guest + 1, ours, 6, tcp(1, 2222, 7, 2, {})), 50));        // from an address of ours
    house.outside.send(summed(ipv4(mac(9), mac(8), ours, ours, 6, tcp(1, 2222, 7, 2, {})), 50));
    CHECK(house.inside.got().empty());
}

TEST_CASE("outside: a forward leads in, and the guest's answer out")
{
    House house;
    house.outside.send(summed(ipv4(mac(9), mac(8), router, ours, 6, tcp(5000, 2222, 7, TcpHeader::syn, {})), 50));
    auto const in = house.inside.got();
    REQUIRE(in.size() == 1);
    CHECK(get32(in[0], 30) == guest);
    CHECK(get16(in[0], 36) == 22);
    house.inside.send(summed(ipv4(house.service, mac(1), guest, router, 6, tcp(22, 5000, 9, TcpHeader::syn | TcpHeader::acknowledge, {})), 50));
    auto const out = house.outside.got();
    REQUIRE(out.size() == 1);
    CHECK(get32(out[0], 26) == ours);
    CHECK(get16(out[0], 34) == 2222);
    // Other ports are the service's, where nobody listens.
    house.outside.send(summed(ipv4(mac(9), mac(8), router, ours, 6, tcp(5000, 22, 7, TcpHeader::syn, {})), 50));
    auto const refused = house.outside.got();
    REQUIRE(refused.size() == 1);
    CHECK((refused[0].at(47) & TcpHeader::reset) != 0);
}

TEST_CASE("outside: a guest reaches a forward of its own network under our address")
{
    House house;
    house.inside.send(summed(ipv4(house.service, mac(1), guest, ours, 6, tcp(4000, 2222, 7, TcpHeader::syn, filled(30))), 50));
    auto in = house.inside.got();
    REQUIRE(in.size() == 1);
    CHECK(read_header<EthernetHeader>(in[0])->destination == mac(1));
    CHECK(read_header<EthernetHeader>(in[0])->source == house.service);
    CHECK((get32(in[0], 26) == ours && get32(in[0], 30) == guest));
    CHECK(get16(in[0], 36) == 22);
    CHECK(transport_sum(in[0]) == 0xffff);
    house.inside.send(summed(ipv4(house.service, mac(1), guest, ours, 6, tcp(22, get16(in[0], 34), 9, TcpHeader::syn | TcpHeader::acknowledge, {})), 50));
    in = house.inside.got();
    REQUIRE(in.size() == 1);
    CHECK((get32(in[0], 26) == ours && get32(in[0], 30) == guest));
    CHECK((get16(in[0], 34) == 2222 && get16(in[0], 36) == 4000));
    CHECK(house.outside.got().empty());
    u64 const before = house.stack->unrouted();
    house.inside.send(house.from_guest(ours, 53));     // no forward
    CHECK(house.stack->unrouted() == before + 1);
    CHECK((house.inside.got().empty() && house.outside.got().empty()));
}

TEST_CASE("outside: other names are asked for upstream, and every question is answered")
{
    House house;
    auto const ask = [&](u16 id, char const* label) { house.inside.send(summed(ipv4(house.service, mac(1), guest, gateway, 17, udp(4000, 53, question(id, label))), 40)); };
    ask(0x77, "www");
    auto asked = house.answer_arp();
    REQUIRE(asked.size() == 1);
    CHECK(get32(asked[0], 30) == name_server);
    CHECK(get16(asked[0], 36) == 53);
    auto const answer = [&](Bytes const& to, u32 from, u32 port) {
        Bytes reply(to.begin() + 42, to.end());
        reply.resize(get16(to, 38) - 8);
        reply[2] = static_cast<u8>(reply[2] | 0x80);
        return summed(ipv4(mac(9), mac(8), from, ours, 17, udp(port, get16(to, 34), reply)), 40);
    };
    house.outside.send(answer(asked[0], name_server + 1, 53));   // from somebody else
    house.outside.send(answer(asked[0], name_server, 54));
    CHECK(house.inside.got().empty());
    house.outside.send(answer(asked[0], name_server, 53));
    auto got = house.inside.got();
    REQUIRE(got.size() == 1);
    CHECK(get16(got[0], 42) == 0x77);
    CHECK(get16(got[0], 36) == 4000);
    house.outside.send(answer(asked[0], name_server, 53));       // once is enough
    CHECK(house.inside.got().empty());

    ask(0x78, "silent");
    CHECK(house.outside.got().size() == 1);
    CHECK(house.stack->deadline() < house.world.now + 5 * second);
    house.world.now += 5 * second;
    house.stack->timer(house.world.now);
    got = house.inside.got();
    REQUIRE(got.size() == 1);
    CHECK(get16(got[0], 42) == 0x78);
    CHECK((get16(got[0], 44) & 15) == 2);
    DnsCounters const& dns = house.stack->dns_counters();
    CHECK(dns.questions == 2);
    CHECK(dns.relayed == 1);
    CHECK(dns.failed == 1);
    CHECK(dns.unanswered(house.stack->waiting()) == 0);
}

TEST_CASE("outside: a guest asks upstream under its own address, so it cannot take the others' places")
{
    House house;
    auto const ask = [&](u16 id, u32 source) {
        house.inside.send(summed(ipv4(house.service, mac(1), source, gateway, 17, udp(4000, 53, question(id, "www"))), 40));
        return house.answer_arp().size();
    };
    CHECK(ask(1, guest) == 1);
    house.inside.got();
    usize passed = 0;
    for (u16 i = 0; i < 64; i++)
        passed += ask(static_cast<u16>(100 + i), guest + 1 + i);
    CHECK(passed == 0);
    CHECK(ask(2, guest) == 1);
    DnsCounters const& dns = house.stack->dns_counters();
    CHECK(dns.unanswered(house.stack->waiting()) == 0);
}

TEST_CASE("outside: without a lease, or with one that overlaps, nothing is routed and names fail at once")
{
    for (bool const overlaps : {false, true}) {
        CAPTURE(overlaps);
        House house{false};
        if (overlaps)
            house.lease(router, 0xff00'0000);
        CHECK(house.stack->outside().conflict == overlaps);
        house.outside.got();
        house.inside.send(house.from_guest(peer, 53));
        house.inside.send(summed(ipv4(house.service, mac(1), guest, gateway, 17, udp(4000, 53, question(7, "www"))), 40));
        CHECK(house.outside.got().empty());
        auto const got = house.inside.got();
        REQUIRE(got.size() == 1);
        CHECK((get16(got[0], 44) & 15) == 2);
    }
}

TEST_CASE("outside: a clock that was read before the last frame came makes nothing old")
{
    House house;
    house.inside.send(house.from_guest(peer, 53));
    REQUIRE(house.outside.got().size() == 1);
    u64 const before = house.world.now;
    house.world.now += 2 * second;
    house.outside.send(summed(ipv4(mac(9), mac(8), router, ours, 17, udp(53, 9, filled(9))), 40));   // nobody listens there, lwIP says
    house.outside.got();
    house.stack->timer(before);
    house.inside.send(house.from_guest(peer, 53));
    auto const out = house.outside.got();
    REQUIRE(out.size() == 1);                         // the router is known still
    CHECK(get16(out[0], 12) == 0x0800);
}

TEST_CASE("outside: a cable that is pulled, and put in again")
{
    House house;
    house.stack->link_changed(false);
    house.stack->link_changed(true);
    house.stack->timer(house.world.now);
    bool asks = false;
    for (auto const& frame : house.outside.got())
        asks |= get16(frame, 12) == 0x0800 && get16(frame, 36) == 67;
    CHECK(asks);
}
