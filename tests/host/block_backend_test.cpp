// SPDX-License-Identifier: Apache-2.0
#include "drivers/block/backend.hpp"
#include "drivers/block/memory_disk.hpp"
#include <doctest/doctest.h>
#include <vector>

using namespace kennel;
using namespace kennel::service;

namespace {

constexpr u64 most = ~0ull;

std::vector<u8> pattern(usize bytes, u8 seed)
{
    std::vector<u8> data(bytes);
    for (usize i = 0; i < bytes; i++)
        data[i] = static_cast<u8>(seed + i * 7 + i / 251);
    return data;
}

} // namespace

TEST_CASE("sector ranges exist only inside the medium")
{
    CHECK(SectorRange::within(100, 0, 100));
    CHECK(SectorRange::within(100, 99, 1));
    CHECK_FALSE(SectorRange::within(100, 99, 2));
    CHECK_FALSE(SectorRange::within(100, 100, 1));
    CHECK_FALSE(SectorRange::within(100, 0, 101));
    CHECK_FALSE(SectorRange::within(100, 0, 0));
    CHECK_FALSE(SectorRange::within(0, 0, 0));
    CHECK_FALSE(SectorRange::within(0, 0, 1));
    CHECK_FALSE(SectorRange::within(100, most, 2));
    CHECK_FALSE(SectorRange::within(100, 1, most));
    CHECK_FALSE(SectorRange::within(100, most - 3, 8));
    CHECK(SectorRange::within(most, most - 1, 1));
    CHECK_FALSE(SectorRange::within(most, most - 1, 2));
}

TEST_CASE("what two ranges have in common")
{
    auto const range = *SectorRange::within(100, 10, 20);
    CHECK(range.common(0, 100).count() == 20);
    CHECK(range.common(15, 16).first() == 15);
    CHECK(range.common(29, 90).count() == 1);
    CHECK(range.common(30, 90).count() == 0);
    CHECK(range.common(0, 10).count() == 0);
}

TEST_CASE("requests are made only of whole sectors that exist")
{
    u8 data[2048];
    BlockProperties const medium{.sectors = 4};
    auto make = [&](u64 first, std::vector<Segment> const& segments) {
        return BlockRequest::transfer(medium, BlockOperation::read, first, segments, 7).has_value();
    };
    CHECK(make(0, {{data, 2048}}));
    CHECK(make(3, {{data, 512}}));
    CHECK(make(0, {{data, 1}, {data, 511}}));
    CHECK_FALSE(make(0, {{data, 511}}));
    CHECK_FALSE(make(0, {}));
    CHECK_FALSE(make(0, {{data, 0}}));
    CHECK_FALSE(make(1, {{data, 2048}}));
    CHECK_FALSE(make(4, {{data, 512}}));
    CHECK_FALSE(make(most, {{data, 512}}));
    std::vector<Segment> many(max_segments, {data, 0});
    many[0].size = 512;
    CHECK(make(0, many));
    many.push_back({data, 0});
    CHECK_FALSE(make(0, many));
    CHECK_FALSE(BlockRequest::clearing(medium, BlockOperation::discard, 2, 3, 0));
    CHECK_FALSE(BlockRequest::clearing(medium, BlockOperation::write_zeroes, 2, most, 0));
    CHECK(BlockRequest::clearing(medium, BlockOperation::write_zeroes, 2, 2, 0));
}

TEST_CASE("a RAM disk gives back what was written, through segments of any size")
{
    std::vector<u8> bytes(64 * sector_bytes + 100);
    MemoryDisk disk{bytes, false};
    CHECK(disk.properties().sectors == 64);

    auto data = pattern(8 * sector_bytes, 3);
    Segment const out[] = {{data.data(), 1000}, {data.data() + 1000, 24}, {data.data() + 1024, 3072}};
    auto write = BlockRequest::transfer(disk.properties(), BlockOperation::write, 5, out, 1);
    REQUIRE(write);
    CHECK(disk.submit(*write).state == Submission::State::done);

    std::vector<u8> back(8 * sector_bytes);
    Segment const in[] = {{back.data(), 4095}, {back.data() + 4095, 1}};
    auto read = BlockRequest::transfer(disk.properties(), BlockOperation::read, 5, in, 2);
    REQUIRE(read);
    CHECK(disk.submit(*read).status == BlockStatus::ok);
    CHECK(back == data);
    CHECK(bytes[5 * sector_bytes - 1] == 0);
    CHECK(bytes[13 * sector_bytes] == 0);

    auto zero = BlockRequest::clearing(disk.properties(), BlockOperation::write_zeroes, 6, 1, 3);
    CHECK(disk.submit(*zero).status == BlockStatus::ok);
    CHECK(bytes[6 * sector_bytes - 1] == data[511]);
    CHECK(bytes[6 * sector_bytes] == 0);
    CHECK(bytes[7 * sector_bytes] == data[1024]);

    auto flush = BlockRequest::flush(4);
    CHECK(disk.submit(flush).status == BlockStatus::ok);
    CHECK(disk.counters().writes == 1);
    CHECK(disk.counters().sectors_read == 8);
    CHECK(disk.counters().flushes == 1);
    CHECK(disk.counters().errors == 0);
}

TEST_CASE("a read-only RAM disk changes nothing and says so")
{
    std::vector<u8> bytes(4 * sector_bytes, 9);
    auto const before = bytes;
    MemoryDisk disk{bytes, true};
    CHECK(disk.properties().read_only);
    u8 data[512] = {1};
    Segment const segment{data, 512};
    auto write = BlockRequest::transfer(disk.properties(), BlockOperation::write, 0, {&segment, 1}, 0);
    CHECK(disk.submit(*write).status == BlockStatus::io_error);
    auto zero = BlockRequest::clearing(disk.properties(), BlockOperation::write_zeroes, 0, 4, 0);
    CHECK(disk.submit(*zero).status == BlockStatus::io_error);
    CHECK(bytes == before);
    CHECK(disk.counters().errors == 2);
}
