// SPDX-License-Identifier: Apache-2.0
//
// A driver that breaks every rule of the ring and of virtio-blk's requests. What the device must do is an error status, a head
// given back, or a wish to be reset; after each attack it must serve an honest driver.
#include "tests/machine/guest/verdict.hpp"
#include "tests/machine/guest/virtio.hpp"

namespace kennel::guest {

constinit char const* const title = "hostile rings: each broken rule is an error or a reset, and the device works again after it";

namespace {

constexpr u64 run_ticks = 100'000'000;
constexpr u16 size = 64;
constexpr u16 next = wire::descriptor::next, write_flag = wire::descriptor::write, indirect = wire::descriptor::indirect;
constexpr u32 sectors_bytes = 4096;

BlockDriver<size> disk;
alignas(4096) u8 data[16 * 4096];
alignas(4096) u8 canary[4096];
alignas(16) wire::Descriptor table[1024];

enum class Expect : u8 { error, returned, reset };

struct Test {
    Verdict& verdict;

    // An attack was prepared in the ring from descriptor 0 on: it is offered, and this must come of it.
    void attack(char const* what, Expect expect, u16 head = 0)
    {
        disk.ring.offer(head);
        disk.device.kick();
        after(what, expect);
    }
    void after(char const* what, Expect expect)
    {
        switch (expect) {
        case Expect::error:
            verdict.that(what, disk.await(1) && disk.status == disk.io_error && !disk.device.needs_reset());
            break;
        case Expect::returned:
            verdict.that(what, disk.await(1) && disk.status == disk.nothing && !disk.device.needs_reset());
            break;
        case Expect::reset:
            verdict.that(what, disk.is_quiet() && disk.device.needs_reset());
            break;
        }
        honest(what);
    }
    // Another driver, that does all right, on the same device.
    void honest(char const* what)
    {
        verdict.that(what, disk.begin());
        for (u32 i = 0; i < sectors_bytes; i++)
            data[i] = static_cast<u8>(i * 7);
        verdict.equal(what, disk.request(BlockType::write, 8, data, sectors_bytes), disk.ok);
        for (u32 i = 0; i < sectors_bytes; i++)
            data[i] = 0;
        verdict.equal(what, disk.request(BlockType::read, 8, data, sectors_bytes), disk.ok);
        verdict.equal(what, data[4095], static_cast<u8>(4095 * 7));
        verdict.equal(what, canary[0] | canary[4095], 0);
        verdict.that(what, disk.begin());
    }
};

wire::Descriptor* const& descriptors() { static wire::Descriptor* const all = disk.ring.descriptors; return all; }

// ---- chains ----

void break_chains(Test& test)
{
    auto* const d = descriptors();
    disk.prepare(BlockType::read, 0, data, 512);
    test.attack("a head beyond the table", Expect::reset, size);
    disk.prepare(BlockType::read, 0, data, 512);
    d[1].next = size + 5;
    test.attack("a next beyond the table", Expect::reset);
    disk.prepare(BlockType::read, 0, data, 512);
    d[1].next = 1;
    test.attack("a loop of one", Expect::reset);
    disk.prepare(BlockType::read, 0, data, 512);
    d[2] = {address_of(&disk.status), 1, next | write_flag, 0};
    test.attack("a loop of all", Expect::reset);
    disk.prepare(BlockType::read, 0, data, 512);
    d[2].flags = 0;
    test.attack("readable behind writable", Expect::reset);
    disk.prepare(BlockType::read, 0, data, 512);
    d[0].flags = 0;
    test.attack("a header and nothing else", Expect::returned);
    disk.prepare(BlockType::write, 0, data, 512);
    d[1].flags = 0;
    test.attack("no status", Expect::returned);
    disk.prepare(BlockType::read, 0, data, 512);
    d[0].length = d[1].length = d[2].length = 0;
    test.attack("nothing but empty buffers", Expect::returned);
    disk.prepare(BlockType::read, 0, data, 512);
    d[0].length = 8;
    test.attack("half a header", Expect::error);
    disk.prepare(BlockType::read, 0, data, 512);
    d[0] = d[2];
    d[0].next = 0;
    test.attack("a status and no header", Expect::error);
    disk.prepare(BlockType::read, 0, data, 100);
    test.attack("no whole sector", Expect::error);
    disk.prepare(BlockType::read, 0, data, 0);
    test.attack("no data", Expect::error);
    disk.prepare(BlockType::write, 0, data, 512);
    d[1].flags |= write_flag;
    test.attack("a write whose data is to be written", Expect::error);
}

void break_addresses(Test& test)
{
    auto* const d = descriptors();
    struct { char const* what; u64 address; u32 length; } const wrong[] = {
        {"data behind RAM", 0x8000'0000, 512},
        {"data across the end of RAM", 4 * 1024 * 1024 - 256, 512},
        {"data at the top of addresses", ~0ull - 255, 512},
        {"data that wraps to 0", ~0ull - 255, 1024},
        {"data of 4 GiB", address_of(data), 0xffff'fe00},
        {"data in a device's registers", disk.device.table(), 512},
        {"data in the I/O APIC", 0xfec0'0000, 512},
    };
    for (auto const& one : wrong)
        for (BlockType const type : {BlockType::read, BlockType::write}) {
            disk.prepare(type, 0, data, 512);
            d[1].address = one.address;
            d[1].length = one.length;
            // The device cannot reach the status any more: what lies before it is no RAM.
            test.attack(one.what, Expect::returned);
        }
    disk.prepare(BlockType::read, 0, data, 512);
    d[0].address = 0x8000'0000;
    test.attack("a header that is not RAM", Expect::returned);
    disk.prepare(BlockType::read, 0, data, 512);
    d[2].address = ~0ull;
    test.attack("a status that is not RAM", Expect::returned);
    // Its own rings as the target: it hurts itself, and nobody else.
    for (void const* place : {static_cast<void const*>(disk.ring.descriptors), static_cast<void const*>(&disk.ring.available), static_cast<void const*>(&disk.ring.used)}) {
        disk.prepare(BlockType::read, 0, place, 4096);
        disk.ring.offer(0);
        disk.device.kick();
        disk.device.kick();
        test.honest("data over the rings");
    }
}

void break_indirect(Test& test)
{
    auto* const d = descriptors();
    auto const prepare = [&] {
        disk.prepare(BlockType::read, 0, data, 512);
        for (u32 i = 0; i < 3; i++)
            table[i] = d[i];
        d[0] = {address_of(table), 3 * 16, indirect, 0};
    };
    constexpr u64 feature = wire::feature::indirect_descriptors;
    disk.begin(feature);
    prepare();
    disk.ring.offer(0);
    disk.device.kick();
    test.verdict.that("an honest indirect table", disk.await(1) && disk.status == disk.ok);

    struct { char const* what; u64 address; u32 length; u16 flags; } const wrong[] = {
        {"indirect and next", address_of(table), 48, indirect | next},
        {"an indirect table that is the queue's own", address_of(d), 48, indirect},
        {"an indirect table of 0", address_of(table), 0, indirect},
        {"an indirect table of 40 bytes", address_of(table), 40, indirect},
        {"an indirect table longer than the queue", address_of(table), (size + 1) * 16, indirect},
        {"an indirect table of 4 GiB", address_of(table), 0xffff'fff0, indirect},
        {"an indirect table behind RAM", 0x8000'0000, 48, indirect},
        {"an indirect table across the end of RAM", 4 * 1024 * 1024 - 32, 48, indirect},
        {"an indirect table at the top of addresses", ~0ull - 15, 48, indirect},
        {"an indirect table in a device's registers", disk.device.table(), 48, indirect},
    };
    for (auto const& one : wrong) {
        disk.begin(feature);
        prepare();
        d[0] = {one.address, one.length, one.flags, 1};
        test.attack(one.what, Expect::reset);
    }
    disk.begin(feature);
    prepare();
    table[0].flags = indirect;
    table[0].address = address_of(table);
    table[0].length = 48;
    test.attack("indirect inside indirect", Expect::reset);
    disk.begin(feature);
    prepare();
    table[1].next = 3;
    test.attack("a next beyond an indirect table", Expect::reset);
    disk.begin(feature);
    prepare();
    table[1].next = 1;
    test.attack("a loop in an indirect table", Expect::reset);
}

void break_indices(Test& test)
{
    for (u16 const jump : {static_cast<u16>(size + 1), static_cast<u16>(0x7fff), static_cast<u16>(0xffff)}) {
        disk.prepare(BlockType::read, 0, data, 512);
        disk.ring.available.index = jump;
        disk.device.kick();
        test.after("an index that jumped", Expect::reset);
    }
    // All at once and all the same buffers: each is answered.
    disk.prepare(BlockType::read, 0, data, 4096);
    for (u16 i = 0; i < size; i++)
        disk.ring.offer(0);
    disk.device.kick();
    test.verdict.that("a full ring", disk.await(size) && disk.status == disk.ok);
    // Back by one: 65535 would be waiting.
    disk.ring.available.index = static_cast<u16>(disk.ring.available.index - 1);
    disk.device.kick();
    test.after("an index that went back", Expect::reset);
}

// ---- requests ----

void break_requests(Test& test)
{
    u64 const end = disk.device.capacity();
    struct { char const* what; u64 sector; u32 bytes; } const wrong[] = {
        {"the sector behind the last", end, 512},
        {"across the end", end - 1, 1024},
        {"sector 2^55, whose byte is 0 again", 1ull << 55, 512},
        {"the last sector there could be", ~0ull, 512},
        {"a sector that wraps", ~0ull - 1, 4096},
    };
    for (auto const& one : wrong)
        for (BlockType const type : {BlockType::read, BlockType::write}) {
            disk.prepare(type, one.sector, data, one.bytes);
            test.attack(one.what, Expect::error);
        }
    test.verdict.equal("an unknown type", disk.request(static_cast<BlockType>(0x1234'5678), 0, data, 512), disk.unsupported);
    test.verdict.equal("legacy's SCSI command", disk.request(static_cast<BlockType>(2), 0, data, 512), disk.unsupported);
    struct { u64 sector; u32 count, flags; } clearing{end - 1, 2, 0};
    for (BlockType const type : {BlockType::discard, BlockType::write_zeroes}) {
        clearing = {end - 1, 2, 0};
        disk.prepare(type, 0, &clearing, sizeof clearing);
        test.attack("clearing across the end", Expect::error);
        clearing = {~0ull, 0xffff'ffff, 0};
        disk.prepare(type, 0, &clearing, sizeof clearing);
        test.attack("clearing everything", Expect::error);
        disk.prepare(type, 0, &clearing, 8);
        test.attack("half a range to clear", Expect::error);
        clearing = {0, 1, 0x8000'0000};
        test.verdict.equal("unknown flags", disk.request(type, 0, &clearing, sizeof clearing), disk.unsupported);
        test.honest("unknown flags");
    }
    // A serial number's buffer may be shorter or longer than it is.
    data[20] = 0xee;
    test.verdict.equal("the serial number", disk.request(BlockType::get_id, 0, data, 4096), disk.ok);
    test.verdict.equal("twenty bytes of it", data[20], 0xee);
    test.verdict.equal("a byte of it", disk.request(BlockType::get_id, 0, data + 100, 1), disk.ok);
    test.honest("the serial number");
}

} // namespace

void check(Verdict& verdict)
{
    verdict.that("there is a disk", disk.find());
    Test test{verdict};
    u64 const begin = rdtsc();
    do {
        test.honest("an honest driver");
        break_chains(test);
        break_addresses(test);
        break_indirect(test);
        break_indices(test);
        break_requests(test);
    } while (rdtsc() - begin < run_ticks);
}

} // namespace kennel::guest
