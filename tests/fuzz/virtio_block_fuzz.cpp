// SPDX-License-Identifier: Apache-2.0
//
// virtio-blk over each kind of medium, driven by anybody: requests that are nearly right and wrong in every word, kicks, resets with
// requests in flight, drives that fail. Only what a chain offers for writing is written, each chain comes back once at the
// most with a length it has, a kick costs bounded work, and after a reset was seen to be over no byte of RAM moves.
#include "drivers/block/ata_channel.hpp"
#include "drivers/virtio/block.hpp"
#include "tests/fuzz/virtio_driver.hpp"
#include <memory>
#include <optional>

using namespace kennel;
using namespace kennel::fuzz;
using namespace kennel::service::wire;

namespace {

constexpr u64 disk_sectors = 96;                      // less than RAM
constexpr u8  disk_byte = 0xd5;
constexpr u64 tsc_hz = 1'000'000'000;

// A disk and whoever does its work when time passes.
struct Storage {
    enum class Kind : u8 { memory, read_only, overlay, drive, remote, count };

    Kind                          kind;
    std::vector<u8>               sectors = std::vector<u8>(disk_sectors * sector_bytes, disk_byte);
    alignas(4096) u8              room[32 << 10];
    MemoryDisk                    memory;
    fake::LowMemory               low{sizeof(AtaChannel::Memory)};
    fake::IdeChannel              ide;
    AtaChannel                    channel;
    std::optional<Overlay<MemoryDisk>> overlay;
    std::optional<DriveSlice>     slice;
    std::optional<RemoteDisk>     remote;

    explicit Storage(u8 which) : kind{static_cast<Kind>(which % static_cast<u8>(Kind::count))}, memory{sectors, kind != Kind::memory}
    {
        fake::reset();
        if (kind == Kind::overlay)
            overlay.emplace(memory, std::span{room});
        if (kind != Kind::drive && kind != Kind::remote)
            return;
        fake::world().device = &ide;
        ide.drives[0].sectors = disk_sectors + 16;
        channel.open({ide.command, ide.control, ide.master}, *reinterpret_cast<AtaChannel::Memory*>(low.data()), tsc_hz);
        auto const found = channel.identify(0);
        demand(found && *found);
        slice.emplace(DriveSlice::Recipe{&channel, 0, *SectorRange::within(disk_sectors + 16, 8, disk_sectors), 512, false, true, (which & 0x80) != 0});
        if (kind == Kind::remote)
            remote.emplace(*slice, RemoteDisk::Place{0, 1});
    }
    ~Storage() { fake::reset(); }

    Medium medium()
    {
        switch (kind) {
        case Kind::overlay: return Medium{*overlay};
        case Kind::drive:   return Medium{*slice};
        case Kind::remote:  return Medium{*remote};
        default:            return Medium{memory};
        }
    }
    bool is_drive() const { return slice.has_value(); }
    // The drive does one command, or time goes by.
    void step(bool late)
    {
        if (!is_drive())
            return;
        if (remote)
            remote->serve();
        ide.finish();
        if (ide.line)
            channel.interrupt();
        if (late && channel.deadline() != ~0ull) {
            fake::world().now = channel.deadline();
            channel.timer(fake::world().now);
        }
        while (channel.take_news())
            ;
        if (remote)
            remote->serve();
    }
};

struct Guest {
    Storage       storage;
    GuestRam&     ram;
    PciFunction   function;
    InterruptSink interrupts;
    VirtioBlock   block;
    Driver        driver{ram, block.transport};

    Guest(u8 which, GuestRam& memory) : storage{which}, ram{memory}, block{storage.medium(), "serial of the disk"}
    {
        interrupts.attach(7);
        block.transport.power_on(function, 0x1000, 0xc010'0000, ram.memory, interrupts);
        block.power_on();
    }

    void bring_up(u64 features) { block.changed(driver.bring_up(features)); }

    template<class Do> void watched(Do&& act)
    {
        driver.offer();
        ram.remember();
        u64 const requests = block.counters().requests, sectors = storage.memory.counters().sectors_read + storage.memory.counters().sectors_written;
        act();
        demand(block.counters().requests - requests <= VirtioBlock::bytes_at_once / VirtioBlock::request_worth + VirtioBlock::depth);
        demand((storage.memory.counters().sectors_read + storage.memory.counters().sectors_written - sectors) * sector_bytes <= VirtioBlock::bytes_at_once + VirtioBlock::most_bytes);
        if (driver.sane)
            ram.for_each_change([&](u64 at) { demand(driver.allows(at)); });
        driver.collect();
    }

    void reset()
    {
        block.changed(block.transport.write_port(common::device_status, 1, 0));
        if (block.transport.read_port(common::device_status, 1) == 0)
            over();
    }
    // The driver saw the reset's end: from here on its RAM is its own.
    void over()
    {
        demand(!block.in_flight());
        ram.remember();
        for (int i = 0; i < 3; i++)
            storage.step(false);
        block.completed();
        block.kicked();
        ram.for_each_change([](u64) { demand(false); });
    }
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(unsigned char const* data, size_t size)
{
    static GuestRam ram;
    ram.clear();
    Input input{data, size};
    auto const guest = std::make_unique<Guest>(input.take<u8>(), ram);
    if (input.take<u8>() & 1)
        guest->driver.size = 8;
    guest->bring_up(input.take<u32>() & 0x3000'6fff);
    Driver& driver = guest->driver;
    while (!input.empty()) {
        u8 const what = input.take<u8>();
        u16 const slot = static_cast<u16>(what / 16 * 3 % (driver.size - 2));
        switch (what % 16) {
        case 0: case 1: case 2: case 3: {
            // A request as drivers make them, mostly.
            u64 const header = GuestRam::data_at + 32u * slot;
            static constexpr u8 types[] = {0, 1, 4, 8, 11, 13, 0, 1};
            u8 const type = input.take<u8>();
            bool const to_guest = type % 8 == 0 || type % 8 == 3 || type % 8 == 6;
            ram.put(header, static_cast<u32>(type & 0x80 ? type : types[type % 8]));
            ram.put(header + 8, u64{input.take<u8>()});
            u16 const at = input.take<u16>(), bytes = static_cast<u16>(input.take<u8>() * 128u);
            u16 const last = static_cast<u16>(slot + 2);
            if (type & 0x40)
                ram.put(u64{at}, Descriptor{input.take<u8>(), input.take<u16>(), static_cast<u16>(input.take<u8>() & 3), 0});   // its range, if it is discard or zeroes
            ram.put(GuestRam::descriptors_at + 16u * slot, Descriptor{header, 16, descriptor::next, static_cast<u16>(slot + 1)});
            ram.put(GuestRam::descriptors_at + 16u * (slot + 1u), Descriptor{at, type & 0x40 ? 16u : bytes, static_cast<u16>(descriptor::next | (to_guest ? descriptor::write : 0)), last});
            ram.put(GuestRam::descriptors_at + 16u * last, Descriptor{header + 16, 1, descriptor::write, 0});
            driver.make_available(0, slot);
            break;
        }
        case 4:
            ram.put(GuestRam::descriptors_at + 16u * (input.take<u8>() % driver.size),
                    Descriptor{input.take<u32>() % 0x1'8000, input.take<u16>(), static_cast<u16>(input.take<u8>() % 8), input.take<u8>()});
            break;
        case 5:
            ram.put(GuestRam::indirect_at + 16u * (input.take<u8>() % 64u), Descriptor{input.take<u16>(), input.take<u16>(), static_cast<u16>(input.take<u8>() % 4), input.take<u8>()});
            break;
        case 6: {
            u64 const address = input.take<u16>();
            driver.scribble(address, input.take<u64>());
            break;
        }
        case 7:
            for (u8 n = input.take<u8>(); n; n--)
                driver.make_available(0, slot);
            break;
        case 8: case 9: case 10:
            guest->watched([&] { guest->block.kicked(); });
            break;
        case 11:
            guest->watched([&] {
                guest->storage.step(what & 16);
                guest->block.completed();
            });
            if (guest->block.transport.read_port(common::device_status, 1) == 0)
                guest->over();
            break;
        case 12:
            driver.offer();
            guest->reset();
            break;
        case 13:
            guest->bring_up(input.take<u32>() & 0x3000'6fff);
            break;
        case 14:
            guest->storage.ide.failures = what & 16 ? 3 : 0;
            guest->storage.ide.swallow_interrupt = what & 32;
            guest->storage.ide.short_transfers = what & 64 ? 1 : 0;
            guest->storage.ide.silent = what & 128;
            break;
        case 15:
            guest->block.transport.write_port(32, 1, what >> 7);   // its cache: write through, or back
            if (guest->block.continue_at() != ~0ull)
                guest->watched([&] { guest->block.go_on(0); });
            break;
        }
    }
    // Nothing stays in flight for ever, whatever the driver did.
    guest->storage.ide.failures = 0;
    for (int i = 0; i < 20'000 && guest->block.in_flight(); i++) {
        guest->storage.step(true);
        guest->block.completed();
    }
    demand(!guest->block.in_flight());
    guest->reset();
    demand(guest->block.transport.read_port(common::device_status, 1) == 0);
    if (guest->storage.kind != Storage::Kind::memory)
        for (u8 const byte : guest->storage.sectors)
            demand(byte == disk_byte);                // read-only, or below an overlay
    for (auto const& [sector, bytes] : guest->storage.ide.drives[0].cache)
        demand(sector - 8 < disk_sectors);            // its slice of the drive
    for (auto const& [sector, bytes] : guest->storage.ide.drives[0].platter)
        demand(sector - 8 < disk_sectors);
    return 0;
}
