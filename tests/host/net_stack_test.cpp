// SPDX-License-Identifier: Apache-2.0
//
// The service's own end of a network, through lwIP: asked by frames, as a guest would.
#include "drivers/net/stack.hpp"
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

constexpr u32 guest = 0x0a4e'0010, gateway = 0x0a4e'0001;

struct Wire {
    fake::World& world = fake::reset();
    std::vector<u8> heap_space = std::vector<u8>(1 << 20);
    Heap       heap{heap_space};
    Neighbours neighbours{{Ipv4Address{0x0a4e'0000}, 24}};
    Side       side{0};
    std::unique_ptr<Stack> stack = std::make_unique<Stack>();
    MacAddress service{};
    LwipUser   user;                                  // goes first

    Wire()
    {
        neighbours.add(mac(1), "web");
        stack->begin(Side::second);
        service = stack->add(heap, side.network, neighbours, false)->address;
        side.got();                                   // it says who it is when it comes up
    }
    std::vector<Bytes> ask(Bytes frame)
    {
        side.send(std::move(frame));
        return side.got();
    }
};

Bytes arp(MacAddress from, u32 sender, u32 wanted)
{
    Bytes bytes = ethernet(everybody, from, 0x0806);
    for (u32 const word : {0x0001u, 0x0800u, 0x0604u, 0x0001u})
        put16(bytes, word);
    bytes.insert(bytes.end(), from.bytes, from.bytes + 6);
    put32(bytes, sender);
    bytes.resize(bytes.size() + 6);
    put32(bytes, wanted);
    return bytes;
}

} // namespace

TEST_CASE("stack: it answers ARP, echo and names; nothing for others, and nobody listens to TCP")
{
    Wire wire;
    auto answers = wire.ask(arp(mac(1), guest, gateway));
    REQUIRE(answers.size() == 1);
    CHECK(get16(answers[0], 12) == 0x0806);
    CHECK(get16(answers[0], 20) == 2);
    CHECK(get32(answers[0], 28) == gateway);
    CHECK(wire.ask(arp(mac(1), guest, gateway + 1)).empty());

    Bytes echo = {8, 0, 0, 0, 0x12, 0x34, 0, 1};
    Bytes const more = filled(56);
    echo.insert(echo.end(), more.begin(), more.end());
    set16(echo, 2, ~plain_sum(echo, 0, echo.size()) & 0xffff);
    answers = wire.ask(ipv4(wire.service, mac(1), guest, gateway, 1, echo));
    REQUIRE(answers.size() == 1);
    CHECK(answers[0].at(34) == 0);
    CHECK(read_header<EthernetHeader>(answers[0])->destination == mac(1));
    CHECK(plain_sum(answers[0], 34, answers[0].size()) == 0xffff);
    CHECK(wire.ask(ipv4(wire.service, mac(1), guest, 0x0a4e'0110, 1, echo)).empty());   // another network's
    CHECK(wire.stack->unrouted() == 1);

    Bytes question = {0, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 2, '1', '6', 1, '0', 2, '7', '8', 2, '1', '0', 7, 'i', 'n', '-', 'a', 'd', 'd', 'r', 4, 'a', 'r', 'p', 'a', 0, 0, 12, 0, 1};
    answers = wire.ask(summed(ipv4(wire.service, mac(1), guest, gateway, 17, udp(4000, 53, question)), 40));
    REQUIRE(answers.size() == 1);
    CHECK(std::string(answers[0].end() - 12, answers[0].end()) == std::string("\3web\6kennel\0", 12));
    CHECK(wire.stack->dns_counters().answered == 1);

    answers = wire.ask(summed(ipv4(wire.service, mac(1), guest, gateway, 6, tcp(4000, 22, 7, TcpHeader::syn, {})), 50));
    REQUIRE(answers.size() == 1);
    CHECK((answers[0].at(47) & TcpHeader::reset) != 0);
}

TEST_CASE("stack: who asks for an address asks for its own, so nobody takes others' leases away")
{
    Wire wire;
    auto const discover = [&](MacAddress from, MacAddress hardware) {
        Bytes message = {1, 1, 6, 0, 1, 2, 3, 4};
        message.resize(28);
        message.insert(message.end(), hardware.bytes, hardware.bytes + 6);
        message.resize(236);
        put32(message, 0x63825363);
        message.insert(message.end(), {53, 1, 1, 255});
        return wire.ask(summed(ipv4(everybody, from, 0, ~0u, 17, udp(68, 67, message)), 40));
    };
    CHECK(discover(mac(7), mac(7)).size() == 1);       // a stranger
    Ipv4Address const given = wire.neighbours.lease(mac(7), 1);
    REQUIRE(wire.neighbours.hardware_of(given));
    for (u32 i = 0; i < 2 * max_strangers; i++)
        CHECK(discover(mac(1), mac(static_cast<u8>(100 + i))).empty());
    REQUIRE(wire.neighbours.hardware_of(given));
    CHECK(*wire.neighbours.hardware_of(given) == mac(7));
    CHECK(wire.stack->dhcp_counters(0)->ignored == 2 * max_strangers);
}
