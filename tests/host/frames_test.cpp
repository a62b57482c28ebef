// SPDX-License-Identifier: Apache-2.0
#include "hv/frames.hpp"
#include <cstring>
#include <doctest/doctest.h>
#include <set>
#include <vector>

using namespace kennel;

namespace {

constexpr u64 base = 0x4000'0000, frame_count = 64;

// A block of memory as hv sees its own: physical and virtual a constant apart.
struct Memory {
    Memory()
    {
        for (Frame& frame : frames)
            master.adopt(&frame);
    }
    struct alignas(page_size) Page { u8 bytes[page_size] = {}; };
    std::vector<Page>  pages{frame_count};
    std::vector<Frame> frames{frame_count};
    Block block{{base}, reinterpret_cast<u64>(pages.data()), frames.data()};
    Pool  master{&block};
};

bool all_zero(void const* page)
{
    static constexpr u8 zero[page_size] = {};
    return std::memcmp(page, zero, page_size) == 0;
}

} // namespace

TEST_CASE("frames: addresses translate both ways")
{
    Memory memory;
    u8* const at = memory.pages[3].bytes;
    CHECK(memory.block.physical(at).value == base + 3 * page_size);
    CHECK(memory.block.pointer<u8>({base + 3 * page_size}) == at);
}

TEST_CASE("frames: each is given out once, zeroed, until there are no more")
{
    Memory memory;
    std::set<void*> given;
    while (void* page = memory.master.allocate()) {
        CHECK(all_zero(page));
        std::memset(page, 0xa5, page_size);
        CHECK(given.insert(page).second);
    }
    CHECK(given.size() == frame_count);
    CHECK(memory.master.free_count() == 0);
}

TEST_CASE("frames: a partition's pool takes what it was promised or nothing, and all of it comes back clean")
{
    Memory memory;
    for (int round = 0; round < 100; round++) {
        Pool small{&memory.block}, large{&memory.block};
        REQUIRE(small.take_from(memory.master, 10));
        CHECK_FALSE(large.take_from(memory.master, frame_count - 9));
        CHECK(large.owned_count() == 0);
        REQUIRE(large.take_from(memory.master, frame_count - 10));
        CHECK(memory.master.free_count() == 0);
        for (int i = 0; i < 7; i++)
            std::memset(small.allocate(), 0xff, page_size);
        CHECK(small.free_count() == 3);
        small.give_back_to(memory.master);
        while (void* page = large.allocate())
            std::memset(page, 0xee, page_size);
        large.give_back_to(memory.master);
        REQUIRE(memory.master.free_count() == frame_count);
        REQUIRE(memory.master.owned_count() == frame_count);
    }
    while (void* page = memory.master.allocate())
        CHECK(all_zero(page));
}
