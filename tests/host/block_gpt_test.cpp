// SPDX-License-Identifier: Apache-2.0
#include "drivers/block/ata_identity.hpp"
#include "drivers/block/gpt.hpp"
#include "tests/host/gpt_disk.hpp"
#include <doctest/doctest.h>

using namespace kennel;
using namespace kennel::service;

namespace {

constexpr u64 sectors = 2048;

PartSelector by_label(std::string_view label) { return {PartSelector::By::label, {}, label}; }

Result<GptPartition, GptError> find(test::GptDisk const& disk, PartSelector const& wanted)
{
    u8 buffer[gpt::chunk];
    return find_partition(wanted, disk.sectors(), buffer, [&](SectorRange const& range, std::span<u8> to) { return disk.read(range, to); });
}

test::GptDisk two_partitions()
{
    test::GptDisk disk{sectors};
    disk.add({1}, 34, 99, "left");
    disk.add({2}, 100, sectors - 34, "right");
    disk.seal();
    return disk;
}

} // namespace

TEST_CASE("gpt: partitions are found by label and by UUID")
{
    auto const disk = two_partitions();
    auto const left = find(disk, by_label("left"));
    REQUIRE(left);
    CHECK(left->range.first() == 34);
    CHECK(left->range.count() == 66);
    CHECK_FALSE(left->from_backup);
    auto const right = find(disk, {PartSelector::By::uuid, {2}, {}});
    REQUIRE(right);
    CHECK(right->range.end() == sectors - 33);
    CHECK(find(disk, by_label("lef")).error() == GptError::not_found);
    CHECK(find(disk, by_label("leftt")).error() == GptError::not_found);
    CHECK(find(disk, by_label("")).error() == GptError::not_found);
    CHECK(find(disk, {PartSelector::By::uuid, {3}, {}}).error() == GptError::not_found);
}

TEST_CASE("gpt: any byte that is wrong in the first table leads to the second, in both to a refusal")
{
    auto const whole = two_partitions();
    // The header's bytes that count, its entries, and the protective MBR.
    for (u64 at = 512; at < 512 + 92; at++) {
        auto disk = whole;
        disk.bytes[at] ^= 0x10;
        auto const found = find(disk, by_label("right"));
        REQUIRE(found);
        CHECK(found->from_backup);
        disk.bytes[(sectors - 1) * 512 + at - 512] ^= 0x40;
        CHECK(find(disk, by_label("right")).error() == GptError::no_table);
    }
    for (u64 at = 1024; at < 1024 + 16384; at += 97) {
        auto disk = whole;
        disk.bytes[at] ^= 1;
        auto const found = find(disk, by_label("right"));
        REQUIRE(found);
        CHECK(found->from_backup);
    }
    for (u64 const at : {450ull, 510ull, 511ull}) {
        auto disk = whole;
        disk.bytes[at] ^= 1;
        CHECK(find(disk, by_label("right")).error() == GptError::no_table);
    }
}

TEST_CASE("gpt: a first table that cannot be read leads to the second")
{
    auto disk = two_partitions();
    disk.unreadable = 1;
    auto const found = find(disk, by_label("left"));
    REQUIRE(found);
    CHECK(found->from_backup);
    disk.bytes[(sectors - 1) * 512] ^= 1;
    CHECK(find(disk, by_label("left")).error() == GptError::read_error);
}

TEST_CASE("gpt: what a table with good checksums may not say")
{
    auto with = [](u64 first, u64 last) {
        test::GptDisk disk{sectors};
        disk.add({1}, first, last, "x");
        disk.seal();
        return find(disk, by_label("x"));
    };
    CHECK(with(34, 34));
    CHECK(with(33, 40).error() == GptError::bad_partition);
    CHECK(with(34, sectors - 33).error() == GptError::bad_partition);
    CHECK(with(40, 39).error() == GptError::bad_partition);
    CHECK(with(~0ull, ~0ull).error() == GptError::bad_partition);
    CHECK(with(34, ~0ull).error() == GptError::bad_partition);

    test::GptDisk twice{sectors};
    twice.add({1}, 34, 40, "x");
    twice.add({2}, 41, 50, "x");
    twice.seal();
    CHECK(find(twice, by_label("x")).error() == GptError::twice);

    auto header = [](auto change) {
        test::GptDisk disk{sectors};
        disk.add({1}, 34, 40, "x");
        change(disk);
        disk.seal();
        return find(disk, by_label("x"));
    };
    CHECK(header([](auto& d) { d.entry_size = 256; }));
    CHECK(header([](auto& d) { d.entry_count = 1; }));
    CHECK(header([](auto& d) { d.entry_size = 127; }).error() == GptError::no_table);
    CHECK(header([](auto& d) { d.entry_size = 192; }).error() == GptError::no_table);
    CHECK(header([](auto& d) { d.entry_size = 8192; d.entry_count = 1; }).error() == GptError::no_table);
    CHECK(header([](auto& d) { d.entry_count = 0; }).error() == GptError::no_table);
    CHECK(header([](auto& d) { d.entry_count = 0xffff'ffff; }).error() == GptError::no_table);
    CHECK(header([](auto& d) { d.last_usable = sectors; }).error() == GptError::no_table);
    CHECK(header([](auto& d) { d.first_usable = sectors - 33; }).error() == GptError::no_table);
    CHECK(header([](auto& d) { d.header_size = 91; }).error() == GptError::no_table);
    CHECK(header([](auto& d) { d.header_size = 513; }).error() == GptError::no_table);
    CHECK(header([](auto& d) { d.header_size = 512; }));
    CHECK(header([](auto& d) { d.entries_at = sectors - 1; }).error() == GptError::no_table);
    CHECK(header([](auto& d) { d.entries_at = ~0ull; }).error() == GptError::no_table);
}

TEST_CASE("gpt: disks too small to have a table")
{
    for (u64 const size : {0ull, 1ull, 2ull, 3ull}) {
        test::GptDisk disk{size};
        CHECK(find(disk, by_label("x")).error() == GptError::no_table);
    }
}

TEST_CASE("an ATA drive's words about itself")
{
    u8 bytes[512] = {};
    auto word = [&](usize number, u32 value) {
        bytes[number * 2] = static_cast<u8>(value);
        bytes[number * 2 + 1] = static_cast<u8>(value >> 8);
    };
    auto error = [&] { return AtaIdentity::parse(bytes).error(); };
    CHECK(error() == IdentityError::no_lba);
    word(49, 0x200);
    CHECK(error() == IdentityError::no_dma);
    word(49, 0x300);
    CHECK(error() == IdentityError::no_sectors);
    word(60, 0xffff), word(61, 0xffff);
    CHECK(AtaIdentity::parse(bytes)->sectors == 1u << 28);         // more than 28 bits address
    word(100, 0xffff), word(101, 0xffff), word(102, 0xffff), word(103, 0xffff);
    CHECK(AtaIdentity::parse(bytes)->sectors == 1u << 28);         // it has no 48-bit commands
    word(83, 0x7400);
    CHECK(AtaIdentity::parse(bytes)->sectors == 1ull << 48);
    CHECK(AtaIdentity::parse(bytes)->flush_ext);
    CHECK(AtaIdentity::parse(bytes)->write_back);
    word(82, 0x20), word(87, 0x4000), word(85, 0);
    CHECK_FALSE(AtaIdentity::parse(bytes)->write_back);            // it has a cache, and that is off
    word(85, 0x20);
    CHECK(AtaIdentity::parse(bytes)->write_back);
    word(106, 0x5000), word(117, 2048);
    CHECK(error() == IdentityError::sector_size);
    word(117, 256), word(106, 0x7003);
    CHECK(AtaIdentity::parse(bytes)->block_bytes == 4096);
    bytes[54] = 0x1b;
    CHECK(AtaIdentity::parse(bytes)->model[1] == '?');
    word(0, 0x8000);
    CHECK(error() == IdentityError::not_ata);
}
