// SPDX-License-Identifier: Apache-2.0
#include "drivers/net/bridge.hpp"
#include "tests/host/net_frames.hpp"
#include <doctest/doctest.h>
#include <map>
#include <memory>

using namespace kennel;
using namespace kennel::service::net;
using namespace kennel::service::net::test;

namespace {

constexpr u64 lifetime = 300'000;

struct Wires {
    std::map<PortNumber, std::vector<Bytes>> got;
    std::map<PortNumber, Delivery> answers;
    Delivery deliver(PortNumber port, Frame const& frame)
    {
        if (answers.contains(port))
            return answers[port];
        got[port].push_back(bytes_of(frame));
        return Delivery::taken;
    }
};

struct Switch {
    Wires wires;
    std::unique_ptr<Bridge<Wires>> bridge = std::make_unique<Bridge<Wires>>(wires, lifetime);
    u64 now = 1'000'000;

    PortNumber guest(u8 last) { return bridge->add({.address = mac(last)}); }
    PortNumber open() { return bridge->add({.own_address_only = false}); }
    void send(PortNumber from, MacAddress to, MacAddress source)
    {
        Bytes bytes = ethernet(to, source, 0x0800);
        bytes.resize(60);
        bridge->forward(from, Held{bytes}.frame, now);
    }
    usize got(PortNumber port) { return wires.got[port].size(); }
    u64 drops(PortNumber port, Drop why) { return bridge->counters(port).dropped_for(why); }
};

} // namespace

TEST_CASE("bridge: a frame reaches the one it is for, from the first on")
{
    Switch s;
    PortNumber const one = s.guest(1), two = s.guest(2), three = s.guest(3);
    s.send(one, mac(2), mac(1));
    CHECK(s.got(two) == 1);
    CHECK(s.got(three) == 0);
    CHECK(s.bridge->counters(one).packets_in == 1);
    CHECK(s.bridge->counters(one).bytes_in == 60);
    CHECK(s.bridge->counters(two).packets_out == 1);
    s.send(one, everybody, mac(1));
    CHECK(s.got(two) == 2);
    CHECK(s.got(three) == 1);
    CHECK(s.got(one) == 0);
    s.send(one, mac(1), mac(1));                       // to itself: nobody sees it
    CHECK(s.got(one) + s.got(two) + s.got(three) == 3);
}

TEST_CASE("bridge: a port sends under its own address only")
{
    Switch s;
    PortNumber const one = s.guest(1), two = s.guest(2), wire = s.open();
    s.send(one, mac(2), mac(2));
    s.send(one, mac(2), mac(9));
    s.send(one, mac(2), everybody);
    CHECK(s.drops(one, Drop::spoofed) == 3);
    CHECK(s.got(two) == 0);
    s.send(wire, mac(1), mac(2));                      // a stranger outside with a guest's address
    CHECK(s.drops(wire, Drop::spoofed) == 1);
    s.send(wire, mac(1), everybody);
    CHECK(s.drops(wire, Drop::bad_header) == 1);
    CHECK(s.got(one) == 0);
    s.send(wire, mac(1), mac(9));
    CHECK(s.got(one) == 1);
}

TEST_CASE("bridge: addresses behind an open port are learned, move and grow old")
{
    Switch s;
    PortNumber const guest = s.guest(1), left = s.open(), right = s.open();
    s.send(guest, mac(9), mac(1));                     // unknown: to both
    CHECK(s.got(left) == 1);
    CHECK(s.got(right) == 1);
    s.send(left, mac(1), mac(9));
    s.send(guest, mac(9), mac(1));
    CHECK(s.got(left) == 2);
    CHECK(s.got(right) == 1);
    s.send(right, mac(1), mac(9));
    s.send(guest, mac(9), mac(1));
    CHECK(s.got(right) == 2);
    CHECK(s.got(left) == 2);
    s.now += lifetime;
    s.send(guest, mac(9), mac(1));
    CHECK(s.got(left) == 3);
}

TEST_CASE("bridge: a flood of addresses displaces neither guests nor other ports")
{
    Switch s;
    PortNumber const guest = s.guest(1), quiet = s.open(), loud = s.open();
    s.send(quiet, mac(1), mac(9));
    for (u32 i = 0; i < 10'000; i++)
        s.send(loud, mac(1), MacAddress::from(0x0200'0000'0000 + i * 0x10001ull));
    s.send(guest, mac(9), mac(1));
    CHECK(s.got(quiet) == 1);
    CHECK(s.got(loud) == 0);
    s.wires.got.clear();
    s.send(quiet, mac(1), mac(9));
    CHECK(s.got(guest) == 1);
    CHECK(s.got(loud) == 0);
}

TEST_CASE("bridge: frames to everybody are limited, others are not")
{
    Switch s;
    PortNumber const loud = s.bridge->add({.address = mac(1), .flood_interval = 100, .flood_burst = 10}), other = s.guest(2);
    for (int i = 0; i < 50; i++)
        s.send(loud, everybody, mac(1));
    CHECK(s.got(other) == 11);
    CHECK(s.drops(loud, Drop::flood_limit) == 39);
    s.send(loud, MacAddress{{1, 0, 0x5e, 0, 0, 1}}, mac(1));
    s.send(loud, mac(77), mac(1));                     // nobody's: to everybody as well
    CHECK(s.drops(loud, Drop::flood_limit) == 41);
    s.send(loud, mac(2), mac(1));
    CHECK(s.got(other) == 12);
    s.now += 1000;
    for (int i = 0; i < 50; i++)
        s.send(loud, everybody, mac(1));
    CHECK(s.got(other) == 22);
    s.send(other, everybody, mac(2));
    CHECK(s.got(loud) == 1);
}

TEST_CASE("bridge: a receiver without room loses frames and stops nobody")
{
    Switch s;
    PortNumber const one = s.guest(1), two = s.guest(2), three = s.guest(3);
    s.wires.answers[two] = Delivery::full;
    s.send(one, everybody, mac(1));
    CHECK(s.drops(two, Drop::receiver_full) == 1);
    CHECK(s.got(three) == 1);
    s.wires.answers[two] = Delivery::down;
    s.send(one, mac(2), mac(1));
    CHECK(s.drops(two, Drop::receiver_down) == 1);
    s.wires.answers[two] = Delivery::bad_offload;
    s.send(one, mac(2), mac(1));
    CHECK(s.drops(one, Drop::bad_offload) == 1);
    s.wires.answers[two] = Delivery::oversized;
    s.send(one, mac(2), mac(1));
    CHECK(s.drops(two, Drop::oversized) == 1);
    CHECK(s.bridge->counters(two).packets_out == 0);
}

TEST_CASE("bridge: a frame crosses one trunk only, and is not checked again behind it")
{
    Switch s;
    PortNumber const here = s.guest(1), east = s.bridge->add({.own_address_only = false, .is_trunk = true}), west = s.bridge->add({.own_address_only = false, .is_trunk = true});
    REQUIRE(s.bridge->fix(mac(5), east));
    s.send(here, mac(5), mac(1));
    CHECK(s.got(east) == 1);
    CHECK(s.got(west) == 0);
    s.send(east, everybody, mac(5));
    CHECK(s.got(here) == 1);
    CHECK(s.got(west) == 0);
    s.send(west, mac(5), mac(7));                      // west has a trunk to there itself
    CHECK(s.got(east) == 1);
    s.send(here, everybody, mac(1));
    CHECK(s.got(east) == 2);
    CHECK(s.got(west) == 1);
}

TEST_CASE("bridge: what belongs to the wire itself ends here; ports and addresses are limited")
{
    Switch s;
    PortNumber const one = s.guest(1), two = s.guest(2);
    s.send(one, MacAddress{{1, 0x80, 0xc2, 0, 0, 0}}, mac(1));
    CHECK(s.got(two) == 0);
    CHECK(s.guest(1) == no_port);                      // the address is taken
    u8 last = 3;
    while (s.bridge->count() < max_ports)
        REQUIRE(s.guest(last++) != no_port);
    CHECK(s.guest(200) == no_port);
    s.send(one, everybody, mac(1));
    CHECK(s.got(max_ports - 1) == 1);
}
