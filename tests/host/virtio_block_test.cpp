// SPDX-License-Identifier: Apache-2.0
//
// virtio-blk from registers to sectors: what an honest driver gets, and what one that breaks the rules does not.
#include "drivers/guest/start.hpp"
#include "tests/host/ide_machine.hpp"
#include "tests/host/virtio_driver.hpp"
#include <doctest/doctest.h>
#include <atomic>
#include <memory>
#include <thread>

using namespace kennel;
using namespace kennel::service;
using namespace kennel::service::fake;
using namespace kennel::service::wire;

namespace {

constexpr u64 header_at = 0x8000, status_at = 0x9000;
constexpr u8  untouched = 0xee;

// A disk of 64 sectors on a PCI function, and its driver.
struct Machine : Rings {
    World&          world = reset();
    std::vector<u8> sectors = std::vector<u8>(64 * sector_bytes);
    MemoryDisk      disk;
    VirtioBlock     block;
    PciFunction     function;
    InterruptSink   interrupts;

    explicit Machine(bool read_only = false) : disk{sectors, read_only}, block{Medium{disk}, "serial"}
    {
        for (usize i = 0; i < sectors.size(); i++)
            sectors[i] = static_cast<u8>(i / sector_bytes);
        interrupts.attach(7);
        block.transport.power_on(function, 0x1000, 0xc010'0000, memory, interrupts);
        block.power_on();
    }

    // One request as Linux makes it: header, data, status. -> the status byte
    u8 request(u32 type, u64 sector, u32 bytes, bool to_guest)
    {
        put(header_at, type), put(header_at + 8, sector), put(status_at, untouched);
        describe(0, header_at, 16, descriptor::next, 1);
        describe(1, data_at, bytes, static_cast<u16>(descriptor::next | (to_guest ? descriptor::write : 0)), 2);
        describe(2, status_at, 1, descriptor::write);
        make_available(0);
        block.kicked();
        return get<u8>(status_at);
    }
    bool needs_reset() { return block.transport.read_port(common::device_status, 1) & status::needs_reset; }
};

} // namespace

TEST_CASE("virtio: features are refused unless all were offered, and VERSION_1 is one of them")
{
    Machine machine;
    CHECK(bring_up(machine.block, machine) == 15);
    CHECK((bring_up(machine.block, machine, 1ull << 40) & 8) == 0);
    Transport& transport = machine.block.transport;
    machine.block.changed(transport.write_port(common::device_status, 1, 0));
    transport.write_port(common::device_status, 1, 11);
    CHECK((transport.read_port(common::device_status, 1) & 8) == 0);
}

TEST_CASE("virtio: a queue is frozen at DRIVER_OK, and its size is a power of two within bounds")
{
    Machine machine;
    Transport& transport = machine.block.transport;
    for (u32 wrong : {0u, 3u, 512u, 0xffffu}) {
        transport.write_port(common::queue_size, 2, wrong);
        CHECK(transport.read_port(common::queue_size, 2) == Queue::most);
    }
    bring_up(machine.block, machine);
    transport.write_port(common::queue_size, 2, 128);
    transport.write_port(common::queue_descriptors, 4, 0xdead'0000);
    CHECK(transport.read_port(common::queue_size, 2) == machine.size);
    CHECK(transport.read_port(common::queue_descriptors, 4) == descriptors_at);
    CHECK(machine.request(0, 5, 512, true) == 0);
}

TEST_CASE("virtio: rings that are not RAM, and a kick before there are any")
{
    Machine machine;
    machine.block.kicked();
    Transport& transport = machine.block.transport;
    for (u32 half : {0u, 1u}) {
        transport.write_port(common::driver_feature_select, 4, half);
        transport.write_port(common::driver_feature, 4, half);
    }
    transport.write_port(common::device_status, 1, 11);
    transport.write_port(common::queue_descriptors, 4, 0xfff0'0000);
    transport.write_port(common::queue_enable, 2, 1);
    transport.write_port(common::device_status, 1, 15);
    CHECK(machine.needs_reset());
    machine.block.kicked();
    CHECK(bring_up(machine.block, machine) == 15);        // and a reset mends it
}

TEST_CASE("virtio-blk: reads, writes, and the serial number")
{
    Machine machine;
    bring_up(machine.block, machine);
    CHECK(machine.request(0, 5, 1024, true) == 0);
    CHECK(machine.ram[data_at] == 5);
    CHECK(machine.ram[data_at + 512] == 6);
    CHECK(machine.used_bytes(0) == 1025);             // the data and the status
    machine.ram[data_at] = 99;
    CHECK(machine.request(1, 63, 512, false) == 0);
    CHECK(machine.sectors[63 * sector_bytes] == 99);
    CHECK(machine.used_bytes(1) == 1);
    CHECK(machine.request(8, 0, 20, true) == 0);
    CHECK(std::memcmp(&machine.ram[data_at], "serial\0\0", 8) == 0);
    CHECK(machine.used() == 3);
    CHECK(machine.request(77, 0, 512, true) == 2);    // UNSUPP
}

TEST_CASE("virtio-blk: who cannot ask for a flush, or does not want a cache, has what it wrote on the drive")
{
    constexpr u64 can_flush = 1ull << 9, can_choose = 1ull << 11;
    constexpr u32 writeback = 0x80 + 32;               // of the device's configuration
    Rings rings;
    IdeMachine machine;
    DriveSlice slice{machine.recipe(0, 64)};
    VirtioBlock block{Medium{slice}, "serial"};
    PciFunction function;
    InterruptSink interrupts;
    interrupts.attach(7);
    block.transport.power_on(function, 0x1000, 0xc010'0000, rings.memory, interrupts);
    block.power_on();
    rings.put(header_at, 1u), rings.put(header_at + 8, u64{3});
    rings.describe(0, header_at, 16, descriptor::next, 1);
    rings.describe(1, data_at, 512, descriptor::next, 2);
    rings.describe(2, status_at, 1, descriptor::write);
    auto const is_on_the_drive = [&] {                 // what was written, if the power goes when the write is answered
        rings.put(data_at, static_cast<u8>(rings.get<u8>(data_at) + 1));
        rings.make_available(0);
        block.kicked();
        while (machine.ide.has_command()) {
            machine.step();
            block.completed();
        }
        CHECK(rings.get<u8>(status_at) == 0);
        machine.ide.drives[0].power_cut();
        return machine.ide.drives[0].read(3)[0] == rings.get<u8>(data_at);
    };
    struct Case { u64 features; u32 writeback; bool through; };
    for (auto const [features, shown, through] : {Case{0, 1, true}, Case{can_flush, 1, false}, Case{can_choose, 0, true}, Case{can_flush | can_choose, 1, false}}) {
        CAPTURE(features);
        rings.made = 0;
        rings.put(available_at + 2, u16{0}), rings.put(used_at + 2, u16{0});
        REQUIRE(bring_up(block, rings, features) == 15);
        CHECK(block.transport.read_port(writeback, 1) == shown);
        CHECK(is_on_the_drive() == through);
    }
    block.changed(block.transport.write_port(writeback, 1, 0));
    CHECK(is_on_the_drive());
    block.changed(block.transport.write_port(writeback, 1, 1));
    CHECK(!is_on_the_drive());
}

TEST_CASE("virtio-blk: no sector beyond the disk, by size, by overflow or by half")
{
    Machine machine;
    bring_up(machine.block, machine);
    auto const before = machine.sectors;
    for (auto const [sector, bytes] : {std::pair<u64, u32>{64, 512}, {63, 1024}, {~0ull, 512}, {~0ull / 512, 512}, {0, 511}, {0, 0}, {0, 65 * 512}}) {
        CHECK(machine.request(1, sector, bytes, false) == 1);
        CHECK(machine.request(0, sector, bytes, true) == 1);
    }
    CHECK(machine.sectors == before);
    CHECK(!machine.needs_reset());
}

TEST_CASE("virtio-blk: a read-only disk takes no write, discard or zeroes")
{
    Machine machine{true};
    bring_up(machine.block, machine);
    auto const before = machine.sectors;
    for (u32 type : {1u, 11u, 13u})
        CHECK(machine.request(type, 0, type == 1 ? 512 : 16, false) != 0);
    CHECK(machine.sectors == before);
    CHECK(machine.request(0, 1, 512, true) == 0);
}

TEST_CASE("virtio: a broken chain stops the queue until a reset, and nothing is answered")
{
    struct Broken { char const* what; void (*make)(Machine&); };
    Broken const all[] = {
        {"a head beyond the table", [](Machine& m) { m.make_available(m.size); }},
        {"a next beyond the table", [](Machine& m) { m.describe(0, header_at, 16, descriptor::next, 200), m.make_available(0); }},
        {"a loop", [](Machine& m) { m.describe(0, header_at, 16, descriptor::next, 0), m.make_available(0); }},
        {"an index that jumped", [](Machine& m) { m.put(available_at + 2, static_cast<u16>(m.size + 1)); }},
        {"readable behind writable", [](Machine& m) {
             m.describe(0, status_at, 1, descriptor::next | descriptor::write, 1), m.describe(1, header_at, 16, 0), m.make_available(0); }},
        {"indirect with next", [](Machine& m) { m.describe(0, 0x6000, 32, descriptor::indirect | descriptor::next, 1), m.make_available(0); }},
        {"an indirect table of half an entry", [](Machine& m) { m.describe(0, 0x6000, 24, descriptor::indirect), m.make_available(0); }},
        {"an empty indirect table", [](Machine& m) { m.describe(0, 0x6000, 0, descriptor::indirect), m.make_available(0); }},
        {"an indirect table outside RAM", [](Machine& m) { m.describe(0, ram_bytes - 16, 32, descriptor::indirect), m.make_available(0); }},
        {"an indirect table in an indirect table", [](Machine& m) {
             m.put(0x6000, Descriptor{0x7000, 16, descriptor::indirect, 0}), m.describe(0, 0x6000, 16, descriptor::indirect), m.make_available(0); }},
        {"an indirect table that is the queue's own", [](Machine& m) { m.describe(0, descriptors_at, 16, descriptor::indirect), m.make_available(0); }},
        {"a chain longer than the queue", [](Machine& m) {
             for (u16 i = 0; i < 16; i++)
                 m.put(0x6000 + 16u * i, Descriptor{header_at, 1, descriptor::next, static_cast<u16>((i + 1) % 16)});
             m.describe(0, 0x6000, 8 * 16, descriptor::indirect), m.make_available(0); }},
    };
    for (Broken const& one : all) {
        CAPTURE(one.what);
        Machine machine;
        bring_up(machine.block, machine);
        one.make(machine);
        machine.block.kicked();
        CHECK(machine.needs_reset());
        CHECK(machine.used() == 0);
        machine.made = 0;
        machine.put(available_at + 2, u16{0}), machine.put(used_at + 2, u16{0});
        CHECK(bring_up(machine.block, machine) == 15);
        CHECK(machine.request(0, 5, 512, true) == 0);
    }
}

TEST_CASE("virtio-blk: a buffer that is not RAM, or no status at all: the head comes back, and no byte is touched")
{
    for (u64 const address : std::initializer_list<u64>{ram_bytes, ram_bytes - 100, ~0ull - 100, 0xc000'0000}) {
        Machine machine;
        bring_up(machine.block, machine);
        machine.put(header_at, 0u), machine.put(header_at + 8, u64{0}), machine.put(status_at, untouched);
        machine.describe(0, header_at, 16, descriptor::next, 1);
        machine.describe(1, address, 512, descriptor::next | descriptor::write, 2);
        machine.describe(2, status_at, 1, descriptor::write);
        machine.make_available(0);
        machine.block.kicked();
        CHECK(machine.used() == 1);
        CHECK(machine.used_bytes(0) == 0);
        CHECK(machine.get<u8>(status_at) == untouched);
        CHECK(!machine.needs_reset());
    }
    Machine machine;
    bring_up(machine.block, machine);
    machine.describe(3, header_at, 16, 0);
    machine.make_available(3);
    machine.block.kicked();
    CHECK(machine.used_head(0) == 3);
}

TEST_CASE("virtio: interrupts by MSI-X, masked ones kept, and by event index")
{
    Machine machine;
    Transport& transport = machine.block.transport;
    machine.function.write(0x42, 2, 0x8000);          // MSI-X on
    transport.write_memory(16, 4, 0xfee0'1000);
    transport.write_memory(24, 4, 0x51);
    bring_up(machine.block, machine, feature::event_index);
    transport.write_port(common::queue_vector, 2, 1);
    auto const raised = [&] { return machine.world.count(abi::Call::interrupt_raise); };

    machine.request(0, 0, 512, true);                 // its table entry is masked, as after power-on
    CHECK(raised() == 0);
    CHECK(transport.read_memory(0x800, 4) == 2);
    transport.write_memory(28, 4, 0);
    CHECK(raised() == 1);
    CHECK(machine.world.last(abi::Call::interrupt_raise).rsi == 0xfee0'1000);
    CHECK(machine.world.last(abi::Call::interrupt_raise).rdx == 0x51);

    machine.put(available_at + 4 + 2 * machine.size, u16{5});   // used_event: not before the sixth
    machine.request(0, 0, 512, true);
    CHECK(raised() == 1);
    CHECK(machine.get<u16>(used_at + 4 + 8 * machine.size) == 2);   // avail_event: the next kick is wanted
    for (int i = 0; i < 4; i++)
        machine.request(0, 0, 512, true);
    CHECK(raised() == 2);
}

TEST_CASE("virtio: what a guest left in its rings is not served after its end")
{
    Machine machine;
    machine.size = 64;
    auto const guest = std::make_unique<Guest>();
    VirtioDevices& devices = guest->platform.virtio;
    REQUIRE(devices.add(machine.block));
    guest->platform.reset(7, machine.memory);
    Transport& transport = machine.block.transport;
    guest->platform.pci.device(VirtioDevices::first_slot).write(0x42, 2, 0x8000);
    transport.write_memory(16, 4, 0xfee0'1000);
    transport.write_memory(28, 4, 0);
    REQUIRE(bring_up(machine.block, machine) == 15);
    transport.write_port(common::queue_vector, 2, 1);
    for (int i = 0; i < 39; i++)
        machine.make_available(0);                    // with the next, more than one kick may move
    machine.request(0, 0, 64 * sector_bytes, true);
    constexpr u32 at_once = VirtioBlock::bytes_at_once / (64 * sector_bytes + VirtioBlock::request_worth) + 1;
    REQUIRE(machine.used() == at_once);
    REQUIRE(devices.continue_at() != ~0ull);
    usize const raised = machine.world.count(abi::Call::interrupt_raise);
    REQUIRE(raised == 1);
    CHECK(machine.block.counters().requests == at_once);

    destroy_guest(*guest);
    CHECK(devices.continue_at() == ~0ull);
    devices.go_on(~0ull);
    devices.kicked(0, 0);
    CHECK(machine.used() == at_once);
    CHECK(machine.world.count(abi::Call::interrupt_raise) == raised);   // into a partition that may be another guest's by now
}

TEST_CASE("virtio-blk: a disk whose bytes feed the rings costs one kick no more than a bounded number of requests")
{
    Machine machine;
    machine.size = 64;
    // Sector n, read into the available ring and over its own request's header: 63 requests that move nothing, and the read of n + 1.
    constexpr u32 ring = 4 + 2 * 64, read = 0, other = 8;
    for (u32 n = 0; n < 64; n++) {
        u8* const at = &machine.sectors[n * sector_bytes];
        u16 const index = static_cast<u16>(1 + 64 * (n + 1));
        std::memset(at, 0, sector_bytes);
        std::memcpy(at + 2, &index, 2);
        for (u32 i = 0; i < 64; i++)
            at[4 + 2 * ((index - 64 + i) % 64)] = i == 63 ? read : other;
        at[ring + 8] = static_cast<u8>(n + 1);
    }
    machine.put(header_at, u64{0}), machine.put(header_at + 8, u64{0});
    machine.put(0xa000, 4u);                          // a flush
    machine.describe(0, header_at, 16, descriptor::next, 1);
    machine.describe(1, available_at, ring, descriptor::next | descriptor::write, 2);
    machine.describe(2, header_at, sector_bytes - ring, descriptor::next | descriptor::write, 3);
    machine.describe(3, status_at, 1, descriptor::write);
    machine.describe(other, 0xa000, 16, descriptor::next, other + 1);
    machine.describe(other + 1, status_at, 1, descriptor::write);
    bring_up(machine.block, machine);
    machine.make_available(read);
    machine.block.kicked();
    constexpr u32 most = VirtioBlock::bytes_at_once / VirtioBlock::request_worth;
    CHECK(machine.block.counters().requests <= most);
    CHECK(machine.block.counters().requests > most - 8);
    CHECK(machine.block.continue_at() != ~0ull);
    for (int i = 0; i < 16; i++)
        machine.block.go_on(0);
    CHECK(machine.block.counters().requests == 1 + 64 * 64);
    CHECK(machine.block.continue_at() == ~0ull);
}

TEST_CASE("virtio: no interrupt of before a reset comes after it")
{
    Machine machine;
    Transport& transport = machine.block.transport;
    machine.function.write(0x42, 2, 0x8000);
    transport.write_memory(16, 4, 0xfee0'1000);
    bring_up(machine.block, machine);
    transport.write_port(common::queue_vector, 2, 1);
    machine.request(0, 0, 512, true);                 // held back: the entry is masked
    REQUIRE(transport.read_memory(0x800, 4) == 2);
    machine.block.changed(transport.write_port(common::device_status, 1, 0));
    CHECK(transport.read_memory(0x800, 4) == 0);
    transport.write_memory(28, 4, 0);
    CHECK(machine.world.count(abi::Call::interrupt_raise) == 0);
}

// As a second processor of the guest's would: a word that is read twice, checked the first time and used the second, is another then.
TEST_CASE("virtio: words of a request that change while they are read")
{
    Machine machine;
    bring_up(machine.block, machine);
    auto const before = machine.sectors;
    auto const word = [&](u64 at) { return reinterpret_cast<u64*>(&machine.ram[at]); };
    machine.put(header_at, u64{0});
    machine.describe(0, header_at, 16, descriptor::next, 1);
    machine.describe(2, status_at, 1, descriptor::write);
    std::atomic<bool> over{false};
    std::thread other{[&] {
        constexpr u64 links = (u64{descriptor::next | descriptor::write} | u64{2} << 16) << 32;
        constexpr u64 addresses[] = {data_at, ram_bytes - 8, ~0ull - 100}, lengths[] = {512, 0xffff'fe00, 4096}, sectors[] = {63, 1ull << 55, ~0ull};
        for (u32 i = 0; !over.load(std::memory_order_relaxed); i++) {
            __atomic_store_n(word(descriptors_at + 16), addresses[i % 3], __ATOMIC_RELAXED);
            __atomic_store_n(word(descriptors_at + 24), lengths[i / 3 % 3] | links, __ATOMIC_RELAXED);
            __atomic_store_n(word(header_at + 8), sectors[i / 9 % 3], __ATOMIC_RELAXED);
        }
    }};
    u32 good = 0;                                     // with a few of these the other thread had its turns
    for (u32 i = 0; i < 100'000 || (good < 1000 && i < 100'000'000); i++) {
        machine.put(status_at, untouched);
        machine.make_available(0);
        machine.block.kicked();
        u8 const answer = machine.get<u8>(status_at);
        good += answer == 0;
        REQUIRE((answer == 0 || answer == 1 || answer == untouched));
        REQUIRE(machine.used() == machine.made);
    }
    over = true;
    other.join();
    CHECK(good >= 1000);
    CHECK(machine.sectors == before);                 // it only read; what it reads beyond its bounds a sanitizer sees
}
