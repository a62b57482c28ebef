// SPDX-License-Identifier: Apache-2.0
//
// All networks of a service, with the machine's card on PCI: what the wire may cost.
#include "drivers/net/networks.hpp"
#include "tests/host/e1000_model.hpp"
#include "tests/host/net_frames.hpp"
#include "tests/host/net_lwip.hpp"
#include <doctest/doctest.h>
#include <memory>

using namespace kennel;
using namespace kennel::service;
using namespace kennel::service::net;
using namespace kennel::service::net::test;

namespace {

constexpr u64 second = 1'000'000'000;                 // in ticks

// "Configuration Mechanism #1": one function, the card.
struct PciBus : fake::PortDevice {
    u32 address = 0;

    bool read(u16 port, u32, u32& value) override
    {
        static constexpr u32 card[16] = {E1000::product << 16 | E1000::vendor, 0, 0x0200'0000, 0, static_cast<u32>(E1000Model::base), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 11};
        u32 const function = address >> 8 & 0xff'ffff, word = address >> 2 & 0x3f;
        value = function == 0x80'0000 && word < 16 ? card[word] : ~0u;
        return port == 0xcfc;
    }
    bool write(u16 port, u32, u32 value) override
    {
        if (port == 0xcf8)
            address = value;
        return port == 0xcf8 || port == 0xcfc;
    }
};

// One network with a way out, and one guest's card on it.
struct House {
    fake::World&    world = fake::reset();
    PciBus          bus;
    E1000Model      model;
    std::vector<u8> heap_space = std::vector<u8>(4 << 20);
    Heap            heap{heap_space};
    Extents         extents;
    abi::EventPage  events{};
    Log             log{events};
    abi::InfoPage   info{};
    std::unique_ptr<Networks> networks = std::make_unique<Networks>();
    LwipUser        user;                             // goes first

    House()
    {
        world.device = &bus;
        world.registers = &model;
        world.answer = [](fake::Made const& made) { return Answer{Status::ok, made.call == abi::Call::interrupt_bind ? 5u : 0u, 0}; };
        info.tsc_hz = second;
        info.cpu_count = 1;
        info.owns_devices = 1;
        auto const bytes = manifest();
        auto const reader = ManifestReader::parse(bytes);
        REQUIRE(reader);
        networks->begin(*reader, info);
        abi::ManifestCard card{};
        std::copy_n(mac(1).bytes, 6, card.address);
        card.mtu = 1500;
        Text why;
        REQUIRE(networks->add_card({heap, extents, log}, card, "guest", 0, why));
        REQUIRE(networks->finish({heap, extents, log}));
        networks->start(9, log);
    }
    static std::vector<u8> manifest()
    {
        struct { abi::ManifestHeader header; abi::ManifestService service; abi::ManifestNetwork network; } all{};
        all.service = {"service", 0, 1, 0};
        all.network = {"net", abi::NetworkMode::nat, 0, 0x0a4e'0000, 0};
        all.header = {abi::manifest_magic, abi::manifest_version, sizeof all, 0, 0, 0, 1, 0, 0, sizeof all, 0, {1, 0, {}}};
        auto const* const begin = reinterpret_cast<u8 const*>(&all);
        all.header.checksum = crc32({begin + offsetof(abi::ManifestHeader, options), begin + sizeof all});
        return {begin, begin + sizeof all};
    }
    // Some frame for us, `count` times. -> how often it found room
    u32 arrive(u32 count)
    {
        static Bytes const frame = summed(ipv4({{0x52, 0x54, 0x00, 0x4b, 0x4e, 0x4c}}, mac(8), 0x0a00'0202, 0x0a00'020f, 17, udp(53, 4000, filled(1000))), 40);
        u32 arrived = 0;
        while (arrived < count && model.arrive(frame))
            arrived++;
        return arrived;
    }
    usize acknowledged() const { return world.count(abi::Call::interrupt_ack); }
};

} // namespace

TEST_CASE("networks: a flood from the wire comes in bounded portions and has a share of the time")
{
    constexpr u64 ring = E1000::ring - 1;
    House house;
    u64 const begin = house.world.now;
    u64 served = 0, longest = 0, taken = 0;
    house.arrive(ring);
    for (u64 again = 0; house.world.now - begin < second;) {
        u64 const from = house.world.now;
        again = house.networks->serve_wire(house.log);
        u64 const room = house.arrive(ring);          // it refills what was taken at once
        REQUIRE(room <= Uplink::most_frames);
        REQUIRE(again != ~0ull);
        taken += room;
        served += house.world.now - from;
        longest = again <= house.world.now ? longest + house.world.now - from : 0;
        REQUIRE(longest <= second / 100);             // a guest that kicks waits no longer
        house.world.now = std::max(house.world.now, again);
    }
    CHECK(served * 3 < house.world.now - begin);
    CHECK(taken > 10'000);                            // but it is not shut out
    CHECK(house.acknowledged() == 0);                 // nor does the card ring while it may not be looked at

    // It ends: what came is taken, and nothing is left to look for.
    while (house.networks->serve_wire(house.log) != ~0ull)
        house.world.now += second / 1000;
    CHECK(house.acknowledged() >= 1);
    CHECK(house.networks->serve_wire_again(house.world.now + second, house.log) == ~0ull);
    CHECK(house.arrive(ring) == ring);
}

TEST_CASE("networks: traffic that needs less than its share is never made to wait")
{
    House house;
    for (u32 round = 0; round < 200; round++) {
        u64 const begin = house.world.now;
        REQUIRE(house.arrive(100) == 100);
        u32 portions = 1;
        for (u64 again; (again = house.networks->serve_wire(house.log)) != ~0ull; portions++)
            REQUIRE(again <= house.world.now);
        CHECK(portions <= 2);
        u64 const took = house.world.now - begin;
        house.world.now = begin + 5 * took;
    }
    CHECK(house.acknowledged() == 200);
}
