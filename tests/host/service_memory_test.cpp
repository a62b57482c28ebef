// SPDX-License-Identifier: Apache-2.0
#include "drivers/guest_memory.hpp"
#include "drivers/console/ring.hpp"
#include "drivers/extents.hpp"
#include <doctest/doctest.h>
#include <vector>

using namespace kennel;
using namespace kennel::service;

TEST_CASE("guest memory: accesses are bounded at both ends and never wrap")
{
    std::vector<u8> ram(8192);
    GuestMemory memory;
    REQUIRE(memory.add(ram.data(), ram.size()));
    u64 word = 0;
    CHECK(memory.copy_out(8184, u64{42}));
    CHECK(memory.copy_in(8184, word));
    CHECK(word == 42);
    CHECK_FALSE(memory.copy_in(8185, word));
    CHECK_FALSE(memory.copy_in(~0ull, word));
    CHECK_FALSE(memory.copy_in(~0ull - 6, word));
    CHECK(memory.span(0, 8192).size() == 8192);
    CHECK(memory.span(0, 8193).empty());
    CHECK(memory.span(1, ~0ull).empty());
    CHECK_FALSE(memory.contains(8192, 1));
}

TEST_CASE("guest memory: atomic words must be aligned")
{
    alignas(8) u8 ram[64] = {};
    GuestMemory memory;
    REQUIRE(memory.add(ram, sizeof ram));
    CHECK(memory.store_release(8, u32{7}));
    CHECK(memory.load_acquire<u32>(8) == 7);
    CHECK_FALSE(memory.store_release(9, u32{7}));
    CHECK_FALSE(memory.load_acquire<u16>(63));
    CHECK_FALSE(memory.load_acquire<u64>(64));
}

TEST_CASE("guest memory: what does not fit below the device hole lies above 4 GiB")
{
    // The bytes behind these pointers are never touched.
    u8* const first = reinterpret_cast<u8*>(0x1000'0000);
    u8* const second = reinterpret_cast<u8*>(0x9'0000'0000);
    GuestMemory memory;
    REQUIRE(memory.add(first, 0x8000'0000));
    REQUIRE(memory.add(second, 0x8000'0000));
    CHECK(memory.low_size() == device_hole);
    CHECK(memory.high_size() == 0x4000'0000);
    REQUIRE(memory.parts().size() == 3);
    CHECK(memory.parts()[2].guest == high_memory);
    CHECK(memory.parts()[2].host == second + 0x4000'0000);
    CHECK_FALSE(memory.contains(device_hole, 1));
    CHECK(memory.contains(high_memory + 0x3fff'ffff, 1));
    CHECK_FALSE(memory.contains(0x7fff'ffff, 2));      // two extents: contiguous for the guest only
}

TEST_CASE("extents: the service's own block is never given away, and pieces are whole 2 MiB")
{
    abi::InfoPage info{};
    info.memory_base[0] = 0x10'0000;
    info.memory_size[0] = 0x1000'0000;
    info.block_base = 0x800'0000;
    info.block_size = 0x40'0000;
    Extents extents{info};
    CHECK(extents.free() == (0x800'0000 - 0x20'0000) + (0x1000'0000 - 0x840'0000));
    u64 taken = 0;
    for (;;) {
        auto const piece = extents.take(0x100'0000);
        if (!piece.size)
            break;
        CHECK(piece.base % large_page == 0);
        CHECK(piece.size % large_page == 0);
        CHECK((piece.base + piece.size <= info.block_base || piece.base >= info.block_base + info.block_size));
        taken += piece.size;
    }
    CHECK(extents.free() == 0);
    CHECK(taken == (0x800'0000 - 0x20'0000) + (0x1000'0000 - 0x840'0000));
}

TEST_CASE("extents: the smallest piece that holds all is taken, else the largest")
{
    abi::InfoPage info{};
    info.memory_base[0] = 0x100'0000, info.memory_size[0] = 0x100'0000;
    info.memory_base[1] = 0x400'0000, info.memory_size[1] = 0x200'0000;
    Extents extents{info};
    CHECK(extents.take(0x80'0000).base == 0x100'0000);
    CHECK(extents.take(0x180'0000).base == 0x400'0000);
    CHECK(extents.take(0x1000'0000).size == 0x80'0000);
}

TEST_CASE("byte ring: holds exactly its size, in order, for ever")
{
    std::vector<u8> space(16);
    ByteRing ring;
    ring = ByteRing{space};
    for (u32 round = 0; round < 100; round++) {
        CHECK(ring.room() == 16);
        for (u8 i = 0; i < 16; i++)
            CHECK(ring.push(static_cast<u8>(round + i)));
        CHECK_FALSE(ring.push(0));
        CHECK(ring.peek(15) == static_cast<u8>(round + 15));
        for (u8 i = 0; i < 16; i++)
            CHECK(ring.pop() == static_cast<u8>(round + i));
        CHECK(ring.empty());
    }
}
