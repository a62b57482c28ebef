// SPDX-License-Identifier: Apache-2.0
#include "drivers/virtio/net.hpp"
#include "drivers/net/network.hpp"
#include "drivers/virtio/devices.hpp"
#include "tests/host/net_frames.hpp"
#include "tests/host/service_fake.hpp"
#include <doctest/doctest.h>
#include <memory>

using namespace kennel;
using namespace kennel::service;
using namespace kennel::service::net;
using namespace kennel::service::net::test;

namespace {

constexpr u64 features = 1 << 0 | 1 << 1 | 1 << 7 | 1 << 11;                 // checksums and TSO over IPv4, both ways
constexpr u64 mergeable = 1 << 15;
constexpr u16 queue_size = 16;
constexpr VirtioNet::Patience patience{50'000, 1'000'000};

// A guest with a card, driven by hand: queue 0 receives, queue 1 sends.
struct Host {
    std::vector<u8> ram = std::vector<u8>(1 << 20);
    GuestMemory     memory;
    PciHost         pci;
    InterruptSink   interrupts;
    VirtioNet       card;
    u16             made[2] = {}, seen = 0;

    explicit Host(u8 last) : card{mac(last), 1500, patience} { memory.add(ram.data(), ram.size()); }

    static u64 rings(u32 queue) { return 0x1000 + queue * 0x4000; }
    static u64 data(u32 queue, u32 index) { return 0x20000 + (queue * queue_size + index) * 0x4000; }
    template<class T> void put(u64 at, T value) { memory.copy_out(at, value); }
    template<class T> T get(u64 at)
    {
        T value{};
        memory.copy_in(at, value);
        return value;
    }
    void start(u64 wanted)
    {
        using namespace wire::common;
        Transport& transport = card.transport;
        transport.power_on(pci.device(2), 0x1000, PciHost::window_base, memory, interrupts);
        card.power_on();
        for (u32 status : {1u, 3u})
            transport.write_port(device_status, 1, status);
        for (u32 half : {0u, 1u}) {
            transport.write_port(driver_feature_select, 4, half);
            transport.write_port(driver_feature, 4, static_cast<u32>((wanted | wire::feature::version_1) >> 32 * half));
        }
        transport.write_port(device_status, 1, 11);
        for (u32 queue : {0u, 1u}) {
            transport.write_port(queue_select, 2, queue);
            transport.write_port(wire::common::queue_size, 2, ::queue_size);
            transport.write_port(queue_descriptors, 4, static_cast<u32>(rings(queue)));
            transport.write_port(queue_driver, 4, static_cast<u32>(rings(queue) + 0x1000));
            transport.write_port(queue_device, 4, static_cast<u32>(rings(queue) + 0x2000));
            transport.write_port(queue_enable, 2, 1);
        }
        put<u16>(rings(1) + 0x1000, wire::available_no_interrupt);           // what was sent it finds out by looking
        card.changed(transport.write_port(device_status, 1, 15));
        CHECK(transport.read_port(device_status, 1) == 15);
    }
    void make(u32 queue, u32 index, u32 bytes, u16 flags)
    {
        put(rings(queue) + 16 * index, wire::Descriptor{data(queue, index), bytes, flags, 0});
        put<u16>(rings(queue) + 0x1004 + 2 * (made[queue] % queue_size), static_cast<u16>(index));
        put<u16>(rings(queue) + 0x1002, ++made[queue]);
    }
    void offer(u32 count, u32 bytes)
    {
        for (u32 i = 0; i < count; i++)
            make(0, made[0] % queue_size, bytes, wire::descriptor::write);
    }
    void send(Bytes const& frame, Bytes header = Bytes(12))
    {
        queue_up(frame, header);
        card.kicked(1);
    }
    void queue_up(Bytes const& frame, Bytes header = Bytes(12))
    {
        u32 const index = made[1] % queue_size;
        header.insert(header.end(), frame.begin(), frame.end());
        std::copy(header.begin(), header.end(), memory.span(data(1, index), header.size()).begin());
        make(1, index, static_cast<u32>(header.size()), 0);
    }
    // The driver waits for the use of this one of what it sends.
    void wait_for(u16 sent) { put<u16>(rings(1) + 0x1004 + 2 * queue_size, sent); }
    u16 used(u32 queue) { return get<u16>(rings(queue) + 0x2002); }
    // What has come in `buffers` used buffers: header and frame.
    Bytes received(u16 buffers = 1)
    {
        Bytes all;
        for (u16 i = 0; i < buffers; i++, seen++) {
            u64 const entry = rings(0) + 0x2004 + 8 * (seen % queue_size);
            auto const part = memory.span(data(0, get<u32>(entry)), get<u32>(entry + 4));
            all.insert(all.end(), part.begin(), part.end());
        }
        return all;
    }
};

struct Lan {
    fake::World& world = fake::reset();
    std::unique_ptr<Network> network = std::make_unique<Network>(0, 1'000'000'000, 9);
    Host a{1}, b{2};

    explicit Lan(u64 of_b = features | mergeable)
    {
        a.card.connect(*network, network->connect(a.card, {.address = mac(1)}));
        b.card.connect(*network, network->connect(b.card, {.address = mac(2)}));
        a.start(features | mergeable);
        b.start(of_b);
    }
    u64 drops(PortNumber port, Drop why) { return network->counters(port).dropped_for(why); }
};

Bytes small(u8 to = 2, u8 from = 1) { return ipv4(mac(to), mac(from), 1, 2, 17, udp(1, 2, filled(64))); }
Bytes large(usize payload)
{
    Bytes frame = ipv4(mac(2), mac(1), 0x0a000001, 0x0a000002, 6, tcp(1000, 22, 7, 0x18, filled(payload)));
    set16(frame, 50, pseudo_sum(frame));
    return frame;
}
// flags, kind, header bytes, segment bytes, checksum start, checksum offset
Bytes wish(u8 flags, u8 kind, u16 segment, u16 start, u16 offset)
{
    return {flags, kind, 54, 0, static_cast<u8>(segment), static_cast<u8>(segment >> 8), static_cast<u8>(start), static_cast<u8>(start >> 8), static_cast<u8>(offset), static_cast<u8>(offset >> 8), 0, 0};
}

} // namespace

TEST_CASE("virtio-net: a frame goes from one guest's buffers into the other's")
{
    Lan lan;
    lan.b.offer(4, 2048);
    lan.a.send(small());
    CHECK(lan.a.used(1) == 1);
    CHECK(lan.b.used(0) == 1);
    Bytes const got = lan.b.received();
    CHECK(Bytes(got.begin() + 12, got.end()) == small());
    CHECK(got[10] == 1);                               // one buffer
    CHECK(lan.network->counters(0).packets_in == 1);
    CHECK(lan.network->counters(1).bytes_out == small().size());
    CHECK(lan.a.card.transport.config[5] == 1);        // the address it was given
}

TEST_CASE("virtio-net: a received frame's header may lie in pieces of any size")
{
    for (u32 const first : {1u, 5u, 10u, 11u, 12u, 13u}) {
        Lan lan;
        u64 const table = lan.b.rings(0);
        lan.b.put(table, wire::Descriptor{0x80000, first, wire::descriptor::write | wire::descriptor::next, 1});
        lan.b.put(table + 16, wire::Descriptor{0x90000, 2, wire::descriptor::write | wire::descriptor::next, 2});
        lan.b.put(table + 32, wire::Descriptor{0xa0000, 2048, wire::descriptor::write, 0});
        lan.b.put<u16>(table + 0x1002, 1);
        lan.a.send(small());
        REQUIRE(lan.b.used(0) == 1);
        Bytes got;
        for (auto const& [at, size] : {std::pair{0x80000u, first}, {0x90000u, 2u}, {0xa0000u, 2048u}}) {
            auto const part = lan.b.memory.span(at, size);
            got.insert(got.end(), part.begin(), part.end());
        }
        CHECK(Bytes(got.begin(), got.begin() + 12) == Bytes{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0});
        CHECK(lan.b.get<u32>(table + 0x2008) == 12 + small().size());
        got.resize(12 + small().size());
        CHECK(Bytes(got.begin() + 12, got.end()) == small());
    }
}

TEST_CASE("virtio-net: a frame of many segments crosses once, over as many buffers as it takes")
{
    Lan lan;
    lan.b.offer(10, 4096);
    Bytes const frame = large(20'000);
    CHECK(frame.size() > 16'000);
    Bytes const header = wish(1, 1, 1448, 34, 16);
    // In two buffers of the sender's: one is too small for it here.
    std::copy(header.begin(), header.end(), lan.a.memory.span(0xe0000, 12).begin());
    std::copy(frame.begin(), frame.end(), lan.a.memory.span(0xe1000, frame.size()).begin());
    lan.a.put(lan.a.rings(1), wire::Descriptor{0xe0000, 12, wire::descriptor::next, 1});
    lan.a.put(lan.a.rings(1) + 16, wire::Descriptor{0xe1000, static_cast<u32>(frame.size()), 0, 0});
    lan.a.put<u16>(lan.a.rings(1) + 0x1004, 0);
    lan.a.put<u16>(lan.a.rings(1) + 0x1002, 1);
    lan.a.card.kicked(1);
    REQUIRE(lan.b.used(0) == 5);
    Bytes const got = lan.b.received(5);
    CHECK(got[0] == 1);
    CHECK(got[1] == 1);
    CHECK(got[10] == 5);
    CHECK(Bytes(got.begin() + 12, got.end()) == frame);
    CHECK(lan.network->counters(0).packets_in == 1);
}

TEST_CASE("virtio-net: a guest that takes no large frames gets segments that are right")
{
    Lan lan{0};
    lan.b.offer(8, 2048);
    lan.a.send(large(5000), wish(1, 1, 1448, 34, 16));
    REQUIRE(lan.b.used(0) == 4);
    Bytes joined;
    for (u32 i = 0; i < 4; i++) {
        Bytes got = lan.b.received();
        CHECK(got[0] == 0);
        got.erase(got.begin(), got.begin() + 12);
        CHECK(transport_sum(got) == 0xffff);
        CHECK(plain_sum(got, 14, 34) == 0xffff);
        joined.insert(joined.end(), got.begin() + 54, got.end());
    }
    CHECK(joined == filled(5000));
}

TEST_CASE("virtio-net: without room for all of a frame nothing of it arrives, and the buffers are there for the next")
{
    Lan lan;
    lan.b.offer(2, 1024);
    lan.a.send(large(5000), wish(1, 1, 1448, 34, 16));
    CHECK(lan.b.used(0) == 0);
    CHECK(lan.a.used(1) == 1);                         // the sender is free all the same
    CHECK(lan.drops(1, Drop::receiver_full) == 1);
    lan.a.send(small());
    CHECK(lan.b.used(0) == 1);
    Bytes const got = lan.b.received();
    CHECK(Bytes(got.begin() + 12, got.end()) == small());
    Lan single{features};                              // one buffer for each frame
    single.b.offer(3, 1024);
    single.a.send(large(5000), wish(1, 1, 1448, 34, 16));
    CHECK(single.drops(1, Drop::oversized) == 1);
    CHECK(single.b.used(0) == 0);
}

TEST_CASE("virtio-net: what a driver may not send is dropped, counted and given back")
{
    Lan lan;
    lan.b.offer(8, 2048);
    Bytes spoofed = small();
    spoofed[11] = 9;
    lan.a.send(spoofed);
    CHECK(lan.drops(0, Drop::spoofed) == 1);
    lan.a.send(Bytes(13));
    CHECK(lan.drops(0, Drop::runt) == 1);
    lan.a.send(Bytes{}, Bytes(5));
    CHECK(lan.drops(0, Drop::bad_header) == 1);
    lan.a.send(large(3000));                           // larger than the MTU, and not to be segmented
    CHECK(lan.drops(0, Drop::oversized) == 1);
    lan.a.send(large(3000), wish(1, 1, 0, 34, 16));
    lan.a.send(large(3000), wish(1, 3, 1448, 34, 16)); // UDP fragmentation was never offered
    lan.a.send(large(3000), wish(1, 1, 1448, 0xffff, 0xffff));
    lan.a.send(small(), wish(1, 0, 0, 0xffff, 0xffff));
    CHECK(lan.drops(0, Drop::bad_offload) == 4);
    CHECK(lan.a.used(1) == 8);
    CHECK(lan.b.used(0) == 0);
    lan.a.put(lan.a.rings(1), wire::Descriptor{0xffff'f000, 100, 0, 0});
    lan.a.put<u16>(lan.a.rings(1) + 0x1004 + 2 * 8, 0);
    lan.a.put<u16>(lan.a.rings(1) + 0x1002, 9);
    lan.a.card.kicked(1);
    CHECK(lan.drops(0, Drop::bad_header) == 2);        // not its RAM
    CHECK(lan.a.used(1) == 9);
    lan.a.put<u16>(lan.a.rings(1) + 0x1002, 5000);     // more than it can have made available
    lan.a.card.kicked(1);
    CHECK((lan.a.card.transport.read_port(wire::common::device_status, 1) & wire::status::needs_reset) != 0);
}

TEST_CASE("virtio-net: for what was sent a driver is interrupted only when it sends no more")
{
    Lan lan;
    lan.b.offer(12, 2048);
    VirtioNet& card = lan.a.card;
    card.changed(card.transport.write_port(wire::common::device_status, 1, 0));
    lan.a.made[0] = lan.a.made[1] = 0;
    lan.a.start(features | mergeable | wire::feature::event_index);
    // As Linux does: with each frame it asks to be interrupted when three quarters of those before it are used.
    for (u16 i = 0; i < 6; i++) {
        lan.a.wait_for(static_cast<u16>(lan.a.used(1) + (i - lan.a.used(1)) * 3 / 4));
        lan.a.send(small());
        CHECK(lan.a.used(1) == (i < 2 ? 0 : i - 1));
    }
    CHECK(lan.b.used(0) == 6);                         // they have arrived all the same
    CHECK(card.interrupts() == 0);
    CHECK((card.take_change() && !card.take_change()));   // who waits for it hears of it once
    u64 const then = card.continue_at();
    CHECK(then <= lan.world.now + patience.interrupt);
    card.go_on(then - 1);
    CHECK(lan.a.used(1) == 4);
    card.go_on(then);
    CHECK(lan.a.used(1) == 6);
    CHECK(card.interrupts() == 1);
    CHECK(card.continue_at() == ~0ull);

    lan.a.wait_for(6);
    lan.a.send(small());
    CHECK(card.continue_at() > then);
    CHECK(card.take_change());
    card.changed(card.transport.write_port(wire::common::device_status, 1, 0));
    CHECK(card.continue_at() == ~0ull);                // nobody is told after a reset
}

TEST_CASE("virtio-net: a kick has work for so long only; devices go on with the rest in turn, a portion each")
{
    Lan lan;
    lan.world.tick = patience.kick / 10;              // each look at the clock
    lan.a.offer(12, 2048), lan.b.offer(12, 2048);
    VirtioDevices devices;
    REQUIRE((devices.add(lan.a.card) && devices.add(lan.b.card)));
    for (u32 i = 0; i < 12; i++) {
        lan.a.queue_up(small(2, 1));
        lan.b.queue_up(small(1, 2));
    }
    lan.a.card.kicked(1), lan.b.card.kicked(1);
    u16 const portion = lan.a.used(1);
    CHECK((portion >= 3 && portion <= 6));
    CHECK(lan.b.used(1) == portion);
    CHECK(devices.continue_at() == 0);                // by the next kick, or when there is time
    CHECK(lan.a.get<u16>(lan.a.rings(1) + 0x2000) == 0);   // so a kick is asked for
    devices.go_on(lan.world.now);
    CHECK((lan.a.used(1) == 2 * portion && lan.b.used(1) == portion));
    devices.go_on(lan.world.now);
    CHECK((lan.a.used(1) == 2 * portion && lan.b.used(1) == 2 * portion));
    while (devices.continue_at() == 0)
        devices.go_on(lan.world.now);
    CHECK((lan.a.used(0) == 12 && lan.b.used(0) == 12));
}

TEST_CASE("virtio-net: a driver that is to be interrupted for each frame it sent is so for a quarter of its ring")
{
    Lan lan;
    lan.b.offer(12, 2048);
    lan.a.put<u16>(lan.a.rings(1) + 0x1000, 0);
    for (u16 i = 0; i < queue_size / 4; i++)
        lan.a.send(small());
    CHECK(lan.a.used(1) == 0);
    lan.a.send(small());
    CHECK(lan.a.used(1) == 5);
    CHECK(lan.a.card.interrupts() == 1);
    CHECK(lan.a.card.continue_at() == ~0ull);
}

TEST_CASE("virtio-net: nobody is there before its driver is, nor while the link is down")
{
    Lan lan;
    lan.b.offer(4, 2048);
    lan.b.card.changed(lan.b.card.transport.write_port(wire::common::device_status, 1, 0));
    lan.a.send(small());
    CHECK(lan.drops(1, Drop::receiver_down) == 1);
    Lan other;
    other.b.offer(4, 2048);
    other.b.card.set_link(false);
    other.a.send(small());
    CHECK(other.drops(1, Drop::receiver_down) == 1);
    CHECK(other.b.card.transport.config[6] == 0);
    other.b.card.set_link(true);
    other.a.send(small());
    CHECK(other.b.used(0) == 1);
}

TEST_CASE("trunk: frames cross in order, a full ring refuses, and the reader is woken once")
{
    std::vector<u64> space(Trunk::ring_bytes / 8);
    auto const trunk = std::make_unique<Trunk>(std::span<u8, Trunk::ring_bytes>{reinterpret_cast<u8*>(space.data()), Trunk::ring_bytes}, 0, 1);
    usize sent = 0, got = 0;
    u32 wakes = 0;
    for (u32 round = 0; round < 50; round++) {
        for (;;) {
            Held const held{filled(60 + sent * 37 % 5000), {30, 45}};
            bool must_ring = false;
            if (trunk->push(3, held.frame, must_ring) == Delivery::full)
                break;
            wakes += must_ring;
            sent++;
        }
        CHECK(wakes == round + 1);
        CHECK_FALSE(trunk->drain([&](u32 network, Frame const& frame) {
            CHECK(network == 3);
            CHECK(bytes_of(frame) == filled(60 + got * 37 % 5000));
            got++;
            return true;
        }));
        CHECK(got == sent);
    }
    CHECK(sent > 1000);
    // A reader may stop after any frame, and goes on behind it.
    Held const three[] = {Held{filled(60), {30}}, Held{filled(61), {30}}, Held{filled(62), {30}}};
    bool must_ring = false;
    for (Held const& held : three)
        CHECK(trunk->push(3, held.frame, must_ring) == Delivery::taken);
    std::vector<usize> sizes;
    auto const take_one = [&](u32, Frame const& frame) {
        sizes.push_back(frame.size);
        return false;
    };
    CHECK(trunk->drain(take_one));
    CHECK(trunk->drain(take_one));
    CHECK_FALSE(trunk->drain(take_one));
    CHECK(sizes == std::vector<usize>{60, 61, 62});
}
