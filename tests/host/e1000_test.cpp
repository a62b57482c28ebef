// SPDX-License-Identifier: Apache-2.0
#include "drivers/net/uplink.hpp"
#include "tests/host/e1000_model.hpp"
#include "tests/host/net_frames.hpp"
#include <doctest/doctest.h>
#include <memory>

using namespace kennel;
using namespace kennel::service;
using namespace kennel::service::net;
using namespace kennel::service::net::test;

namespace {

struct Bench {
    fake::World& world = fake::reset();
    E1000Model model;
    std::unique_ptr<E1000::Memory> memory = std::make_unique<E1000::Memory>();
    E1000 card;
    std::string_view why;

    Bench() { world.registers = &model; }
    bool open(bool everything = false) { return card.open(E1000Model::base, *memory, 1'000'000'000, everything, why); }
    std::vector<Bytes> take(u32 most = 64, bool* more = nullptr)
    {
        std::vector<Bytes> got;
        bool const rest = card.receive(most, [&](Frame const& frame) { got.push_back(bytes_of(frame)); return true; });
        if (more)
            *more = rest;
        return got;
    }
};

Bytes some(usize size, u8 last = 1)
{
    Bytes frame = ethernet(mac(2), mac(last), 0x88b5);
    Bytes const more = filled(size - 14);
    frame.insert(frame.end(), more.begin(), more.end());
    return frame;
}

} // namespace

TEST_CASE("e1000: it is set up by the book")
{
    Bench bench;
    REQUIRE(bench.open());
    CHECK(bench.card.address() == MacAddress{{0x52, 0x54, 0x00, 0x4b, 0x4e, 0x4c}});
    CHECK(bench.card.link());
    auto& registers = bench.model.registers;
    CHECK(registers[0x5400] == 0x4b005452);
    CHECK(registers[0x5404] == 0x80004c4e);
    CHECK((registers[0x0100] & 0x1a) == 2);            // enabled, nobody else's frames
    CHECK(registers[0x2808] == sizeof bench.memory->receiving);
    CHECK(registers[0x2818] == E1000::ring - 1);
    CHECK(!bench.model.rings());

    Bench other;
    REQUIRE(other.open(true));
    CHECK((other.model.registers[0x0100] & 0x1a) == 0x1a);
}

TEST_CASE("e1000: a device that does not answer is refused, in bounded time")
{
    Bench deaf;
    deaf.model.ends_reset = false;
    CHECK(!deaf.open());
    CHECK(deaf.why.find("reset") != deaf.why.npos);
    CHECK(!deaf.card.is_open());
    CHECK(deaf.card.send(Held{some(60)}.frame) == Delivery::down);
    CHECK(deaf.take().empty());

    Bench nameless;
    nameless.model.answers_eeprom = false;
    CHECK(!nameless.open());
    CHECK(nameless.why.find("address") != nameless.why.npos);
    // The address may be in its register already.
    nameless.model.registers[0x5400] = 0x00005452;
    nameless.model.registers[0x5404] = 0x80000700;
    CHECK(nameless.open());
    CHECK(nameless.card.address() == MacAddress{{0x52, 0x54, 0, 0, 0, 7}});

    Bench group;
    group.model.eeprom[0] = 0x5401;
    CHECK(!group.open());
}

TEST_CASE("e1000: frames go out whole, in order, round the ring; a full ring refuses")
{
    Bench bench;
    REQUIRE(bench.open());
    for (u32 i = 0; i < 3 * E1000::ring; i++)
        REQUIRE(bench.card.send(Held{some(60 + i)}.frame) == Delivery::taken);
    REQUIRE(bench.model.wire.size() == 3 * E1000::ring);
    for (u32 i = 0; i < 3 * E1000::ring; i++)
        CHECK(bench.model.wire[i] == some(60 + i));

    bench.model.holds_frames = true;
    u32 taken = 0;
    while (bench.card.send(Held{some(100)}.frame) == Delivery::taken)
        taken++;
    CHECK(taken == E1000::ring - 1);
    CHECK(bench.card.counters().full == 1);
    bench.model.holds_frames = false;
    bench.model.transmit();
    CHECK(bench.model.wire.size() == 4 * E1000::ring - 1);
    CHECK(bench.card.send(Held{some(100)}.frame) == Delivery::taken);
}

TEST_CASE("e1000: what is too large for the wire is refused; what was left undone is done")
{
    Bench bench;
    REQUIRE(bench.open());
    CHECK(bench.card.send(Held{some(1514)}.frame) == Delivery::taken);
    CHECK(bench.card.send(Held{some(1515)}.frame) == Delivery::oversized);

    Bytes large = ipv4(mac(2), mac(1), 0x0a000001, 0x0a000002, 6, tcp(1000, 22, 7, 0x18, filled(5000)));
    set16(large, 50, pseudo_sum(large));
    Offload const offload{.needs_checksum = true, .checksum_start = 34, .checksum_offset = 16, .segmentation = Segmentation::tcp4, .segment_bytes = 1460, .header_bytes = 54};
    bench.model.wire.clear();
    CHECK(bench.card.send(Held{large, {}, 14, offload}.frame) == Delivery::taken);
    REQUIRE(bench.model.wire.size() == 4);
    for (auto const& segment : bench.model.wire) {
        CHECK(segment.size() <= 1514);
        CHECK(transport_sum(segment) == 0xffff);
    }
}

TEST_CASE("e1000: frames come in, in bounded portions, and their buffers go back")
{
    Bench bench;
    REQUIRE(bench.open());
    for (u32 round = 0; round < 5; round++) {
        for (u32 i = 0; i < E1000::ring - 1; i++)
            REQUIRE(bench.model.arrive(some(60 + i)));
        CHECK(!bench.model.arrive(some(60)));          // the device owns no more
        CHECK(bench.model.rings());
        CHECK(!bench.card.interrupt());
        CHECK(!bench.model.rings());
        bool more = false;
        auto const first = bench.take(100, &more);
        CHECK(more);
        auto const rest = bench.take(100, &more);
        CHECK(!more);
        REQUIRE(first.size() + rest.size() == E1000::ring - 1);
        CHECK(first[99] == some(159));
        CHECK(rest[0] == some(160));
    }
    CHECK(bench.card.counters().missed == 5);
    CHECK(bench.card.counters().received == 5 * (E1000::ring - 1));
}

TEST_CASE("e1000: descriptors that lie are dropped and counted")
{
    Bench bench;
    REQUIRE(bench.open());
    bench.model.arrive(some(60), 3, 1);                // an error of the wire's
    bench.model.arrive(Bytes(13), 3);                  // a runt
    bench.model.arrive(Bytes(1519), 3);
    bench.model.arrive(Bytes(0xffff), 3);              // more than its buffer
    bench.model.arrive(Bytes(2048), 1);                // the first part of a frame that is too large,
    bench.model.arrive(some(200), 3);                  // and the last
    CHECK(bench.take().empty());
    CHECK(bench.card.counters().malformed == 5);
    bench.model.arrive(some(200), 3);
    CHECK(bench.take().size() == 1);
    // An address the device put into a descriptor is never used.
    bench.model.arrive(some(60));
    bench.memory->receiving[7].buffer = 0xdead;
    CHECK(bench.take().size() == 1);
    for (auto const& descriptor : bench.memory->receiving)
        CHECK((descriptor.buffer >= reinterpret_cast<u64>(bench.memory->from_wire) && descriptor.buffer < reinterpret_cast<u64>(bench.memory->from_wire + E1000::ring)));
}

TEST_CASE("e1000: a link that goes and comes")
{
    Bench bench;
    REQUIRE(bench.open());
    bench.model.set_link(false);
    CHECK(bench.card.interrupt());
    CHECK(!bench.card.link());
    CHECK(bench.card.send(Held{some(60)}.frame) == Delivery::down);
    CHECK(!bench.card.interrupt());
    bench.model.set_link(true);
    CHECK(bench.card.interrupt());
    CHECK(bench.card.send(Held{some(60)}.frame) == Delivery::taken);
    CHECK(bench.card.counters().link_changes == 2);
}
