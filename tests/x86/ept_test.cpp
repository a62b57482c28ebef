// SPDX-License-Identifier: Apache-2.0
//
// EPT, with a walker of our own beside it: what the processor would find for an address.
#include "arch/x86/host.hpp"
#include <doctest/doctest.h>
#include <optional>
#include <vector>

using namespace kennel;
using abi::MemoryType, abi::Status;

namespace kennel::arch {
static HostFeatures features;
HostFeatures const& host_features() { return features; }
} // namespace kennel::arch

namespace {

constexpr u64 mib = 1u << 20, gib = 1u << 30, base = 0x2000'0000;
constexpr u32 rw = 3, rwx = 7;

struct Fixture {
    explicit Fixture(u64 frames = 600, bool trust = false)
    {
        for (u64 i = frame_count; i-- > 0;)
            master.adopt(&records[i]);
        boot.trust_guests = trust;
        machine.boot = &boot;
        partition.machine = &machine;
        REQUIRE(partition.pool.take_from(master, frames));
        partition.space.create(partition.pool);
        REQUIRE(partition.space.root);
    }
    struct Found { u64 host; u64 bits; unsigned level; };
    std::optional<Found> walk(u64 guest)
    {
        u64* table = partition.space.root;
        for (unsigned level = 3;; level--) {
            u64 const entry = table[(guest >> (12 + 9 * level)) & 511];
            if (!(entry & 7))
                return std::nullopt;
            if (level == 0 || (entry & 0x80)) {
                u64 const span = 4096ull << (9 * level);
                // SDM, "EPT Page-Walk": address bits below the leaf's size must be clear.
                REQUIRE(((entry & 0x000f'ffff'ffff'f000) & (span - 1)) == 0);
                return Found{(entry & 0x000f'ffff'ffff'f000) + (guest & (span - 1)), entry & 0x3f, level};
            }
            table = block.pointer<u64>({entry & 0x000f'ffff'ffff'f000});
        }
    }
    static constexpr u64 frame_count = 1200;
    struct alignas(page_size) Page { u8 bytes[page_size] = {}; };
    std::vector<Page> pages{frame_count};
    std::vector<Frame> records{frame_count};
    Block block{{base}, reinterpret_cast<u64>(pages.data()), records.data()};
    Pool master{&block};
    abi::BootInfo boot{};
    Machine machine;
    Partition partition{block};
};

} // namespace

TEST_CASE("ept: data memory uses the largest leaves its alignment allows")
{
    arch::features.ept_1g = true;
    Fixture f;
    REQUIRE(arch::map(f.partition, {2 * mib}, {2 * mib}, {2 * gib}, rw, MemoryType::write_back) == Status::ok);
    CHECK(f.walk(2 * mib)->level == 1);
    CHECK(f.walk(gib)->level == 2);
    CHECK(f.walk(2 * gib)->level == 1);
    CHECK_FALSE(f.walk(2 * mib - 1));
    CHECK_FALSE(f.walk(2 * gib + 2 * mib));
    for (u64 at : {2 * mib, 3 * mib + 5, gib + 12345, 2 * gib + mib})
        CHECK(f.walk(at)->host == at);
    CHECK(f.walk(gib)->bits == (rw | 6 << 3));
}

TEST_CASE("ept: executable memory stays in 4 KiB leaves unless the machine or its owner says otherwise")
{
    for (bool trust : {false, true}) {
        Fixture f{600, trust};
        REQUIRE(arch::map(f.partition, {0}, {64 * mib}, {4 * mib}, rwx, MemoryType::write_back) == Status::ok);
        CHECK(f.walk(3 * mib)->level == (trust ? 1 : 0));
        CHECK(f.walk(3 * mib + 7)->host == 67 * mib + 7);
    }
    arch::features.no_page_size_erratum = true;
    Fixture f;
    REQUIRE(arch::map(f.partition, {0}, {64 * mib}, {4 * mib}, rwx, MemoryType::write_back) == Status::ok);
    CHECK(f.walk(3 * mib)->level == 1);
    arch::features.no_page_size_erratum = false;
}

TEST_CASE("ept: mapping over a mapping is refused and undone")
{
    Fixture f;
    REQUIRE(arch::map(f.partition, {4 * mib}, {4 * mib}, {2 * mib}, rw, MemoryType::write_back) == Status::ok);
    CHECK(arch::map(f.partition, {0}, {32 * mib}, {8 * mib}, rw, MemoryType::write_back) == Status::overlap);
    CHECK_FALSE(f.walk(0));
    CHECK_FALSE(f.walk(2 * mib));
    CHECK(f.walk(4 * mib)->host == 4 * mib);
    CHECK(arch::map(f.partition, {5 * mib}, {0}, {page_size}, rw, MemoryType::write_back) == Status::overlap);
}

TEST_CASE("ept: memory of any leaf can be mapped where smaller ones were revoked")
{
    Fixture f;
    REQUIRE(arch::map(f.partition, {4 * mib}, {4 * mib}, {page_size}, rw, MemoryType::write_back) == Status::ok);
    CHECK(arch::map(f.partition, {4 * mib}, {32 * mib}, {4 * mib}, rw, MemoryType::write_back) == Status::overlap);
    CHECK_FALSE(f.walk(6 * mib));
    arch::unmap(f.partition, {4 * mib}, {page_size});
    REQUIRE(arch::map(f.partition, {4 * mib}, {32 * mib}, {4 * mib}, rw, MemoryType::write_back) == Status::ok);
    CHECK(f.walk(4 * mib)->host == 32 * mib);
    CHECK(f.walk(8 * mib - 1)->host == 36 * mib - 1);
}

TEST_CASE("ept: revoking a part of a large leaf keeps the rest, with the same rights and type")
{
    arch::features.ept_1g = true;
    Fixture f;
    REQUIRE(arch::map(f.partition, {0}, {0}, {gib}, rw, MemoryType::uncached) == Status::ok);
    REQUIRE(f.walk(0)->level == 2);
    arch::unmap(f.partition, {10 * mib + page_size}, {page_size});
    CHECK_FALSE(f.walk(10 * mib + page_size));
    for (u64 at : {u64{0}, 10 * mib, 10 * mib + 2 * page_size, 12 * mib, gib - 1}) {
        REQUIRE(f.walk(at));
        CHECK(f.walk(at)->host == at);
        CHECK(f.walk(at)->bits == rw);
    }
    arch::unmap(f.partition, {0}, {gib});
    CHECK_FALSE(f.walk(0));
    CHECK_FALSE(f.walk(gib - page_size));
}

TEST_CASE("ept: without frames a mapping fails whole, and revoking still revokes")
{
    arch::features.ept_1g = true;
    Fixture f{4};
    CHECK(arch::map(f.partition, {0}, {0}, {64 * mib}, rwx, MemoryType::write_back) == Status::no_memory);
    CHECK_FALSE(f.walk(0));
    REQUIRE(arch::map(f.partition, {gib}, {gib}, {gib}, rw, MemoryType::write_back) == Status::ok);
    while (f.partition.pool.allocate()) {}
    arch::unmap(f.partition, {gib}, {page_size});
    CHECK_FALSE(f.walk(gib));
}
