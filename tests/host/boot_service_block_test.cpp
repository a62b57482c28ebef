// SPDX-License-Identifier: Apache-2.0
#include "boot/page_tables.hpp"
#include "boot/service_block.hpp"
#include <cstring>
#include <doctest/doctest.h>
#include <vector>

using namespace kennel;
using namespace kennel::boot;

namespace {

constexpr u64 linked = abi::image_virtual_base;

// A file with one text and one data segment, by the offsets of the System V ABI.
struct Program {
    std::vector<u8> file = std::vector<u8>(0x1000, 0xcc);

    template <typename T> void put(usize at, T value) { std::memcpy(&file[at], &value, sizeof value); }
    void segment(usize n, u32 flags, u64 address, u64 file_size, u64 memory_size)
    {
        usize const at = 64 + 56 * n;
        put<u32>(at, 1), put<u32>(at + 4, flags), put<u64>(at + 8, 0x800), put<u64>(at + 16, address), put<u64>(at + 24, address);
        put<u64>(at + 32, file_size), put<u64>(at + 40, memory_size);
    }
    explicit Program(u64 text)
    {
        put<u32>(0, 0x464c457f), put<u8>(4, 2), put<u8>(5, 1), put<u16>(16, 2), put<u16>(18, 62), put<u64>(24, linked + 0x1010);
        put<u64>(32, 64), put<u16>(54, 56), put<u16>(56, 2);
        segment(0, 5, linked + 0x1000, 0x800, text);
        segment(1, 6, linked + 0x1000 + text, 0x10, 0x3000);
    }
    ElfImage image() const { return *ElfImage::parse(file); }
};

// Walks the service's tables as the processor does, without the builder's help.
struct Walker {
    u8 const* memory;
    u64       base, cr3;

    struct Page { u64 physical = 0; bool present = false, writable = false, executable = false; };
    Page operator()(u64 address) const
    {
        u64 table = cr3;
        for (int shift = 39;; shift -= 9) {
            u64 entry;
            std::memcpy(&entry, memory + (table - base) + (address >> shift & 511) * 8, sizeof entry);
            if ((entry & 1) == 0)
                return {};
            u64 const covers = u64{1} << shift;
            if (shift == 12 || (entry & 0x80) != 0)
                return {(entry & 0xf'ffff'ffff'f000 & ~(covers - 1)) + address % covers, true, (entry & 2) != 0, (entry >> 63) == 0};
            table = entry & 0xf'ffff'ffff'f000;
        }
    }
};

} // namespace

TEST_CASE("service block: image, stacks and identity view, with the rights each must have")
{
    for (bool const huge : {false, true})
        for (u64 const text : {u64{0x1000}, u64{0x35'0000}})
            for (u64 const base : {u64{0x1d00'0000}, u64{0x3fe0'0000}}) {   // the second one straddles a GiB
                CAPTURE(huge);
                CAPTURE(text);
                CAPTURE(base);
                constexpr u32 cpus = 3;
                u64 const end = huge ? u64{512} << 30 : u64{5} << 30;
                Program const program(text);
                ElfImage const image = program.image();
                auto const layout = lay_out(image, 64 * 1024 * 1024);
                REQUIRE(layout.has_value());
                AddressReach const reach{.identity_end = end, .huge_pages = huge};
                BlockPlan const plan = plan_block(*layout, reach, cpus, 3 * page_size);
                CHECK(plan.size % large_page == 0);
                CHECK(plan.size >= plan.modules_offset + 3 * page_size + service_heap_least);
                std::vector<u8> memory(plan.size);
                abi::ServiceImage service{};
                REQUIRE(build_block(image, *layout, reach, cpus, plan, memory, base, service));
                Walker const walk{memory.data(), base, service.cr3};

                auto const text_page = walk(linked + 0x1000 + text - 1);
                CHECK(text_page.physical == base + 0x1000 + text - 1);
                CHECK(text_page.executable);
                CHECK_FALSE(text_page.writable);
                auto const data_page = walk(linked + 0x1000 + text);
                CHECK(data_page.writable);
                CHECK_FALSE(data_page.executable);
                CHECK_FALSE(walk(linked).present);                          // nothing is linked there
                CHECK_FALSE(walk(linked + layout->size).present);

                for (u64 const address : {u64{0}, base, base + 0x1000 + text, u64{0xfee0'0000}, end - 1}) {
                    CHECK(walk(address).physical == address);
                    CHECK(walk(address).writable);
                    CHECK_FALSE(walk(address).executable);
                }
                CHECK(walk(base + 0x1000).physical == base + 0x1000);       // the text once more, and here not writable either
                CHECK_FALSE(walk(base + 0x1000).writable);
                CHECK_FALSE(walk(base + 0x1000).executable);

                for (u32 cpu = 0; cpu < cpus; cpu++) {
                    u64 const stack = service.stack_top - cpu * service.stack_stride;
                    CHECK(walk(stack - 8).physical == base + plan.stacks_offset + (cpu + 1) * service_stack_size - 8);
                    CHECK(walk(stack - service_stack_size).writable);
                    CHECK_FALSE(walk(stack - service_stack_size - 1).present);   // the guard page
                }
                CHECK(service.executable_base == base + 0x1000);
                CHECK(service.executable_size == round_up(text, page_size));
                CHECK(std::memcmp(&memory[0x1000], &program.file[0x800], 0x800) == 0);
            }
}

TEST_CASE("service block: tables for 32 processors fit")
{
    Program const program(0x1000);
    ElfImage const image = program.image();
    auto const layout = lay_out(image, 64 * 1024 * 1024);
    AddressReach const reach{.identity_end = u64{64} << 30, .huge_pages = false};
    BlockPlan const plan = plan_block(*layout, reach, 32, 0);
    std::vector<u8> memory(plan.size);
    abi::ServiceImage service{};
    CHECK(build_block(image, *layout, reach, 32, plan, memory, 0x4000'0000, service));
}

TEST_CASE("image: segments that must not be")
{
    auto const fault = [](auto change) {
        Program program(0x1000);
        change(program);
        auto const layout = lay_out(program.image(), 1024 * 1024);
        REQUIRE_FALSE(layout.has_value());
        return layout.error();
    };
    CHECK(fault([](Program& p) { p.segment(1, 7, linked + 0x3000, 0x10, 0x10); }) == ImageError::write_and_execute);
    CHECK(fault([](Program& p) { p.segment(1, 6, 0x10'0000, 0x10, 0x10); }) == ImageError::outside);
    CHECK(fault([](Program& p) { p.segment(1, 6, linked + 0x3000, 0x10, 0x10'0000); }) == ImageError::too_large);
    CHECK(fault([](Program& p) { p.segment(1, 6, linked + 0x1800, 0x10, 0x10); }) == ImageError::pages_shared);
    CHECK(fault([](Program& p) { p.segment(1, 5, linked + 0x3000, 0x10, 0x10); }) == ImageError::several_texts);
}

TEST_CASE("page tables: a large page is split without losing its neighbours")
{
    std::vector<u8> arena(8 * page_size + page_size);
    auto* const aligned = arena.data() + (page_size - reinterpret_cast<u64>(arena.data()) % page_size) % page_size;
    PageTables tables({aligned, 8 * page_size}, 0x10'0000);
    PageRights const all{.writable = true, .executable = true};
    REQUIRE(tables.map(0, 0, huge_page, all, huge_page));
    REQUIRE(tables.map(0x40'1000, 0x1234'5000, page_size, {}, page_size));
    CHECK(tables.walk(0x40'1004).physical == 0x1234'5004);
    CHECK((tables.walk(0x40'1004).entry & 2) == 0);
    CHECK(tables.walk(0x40'0ffc).physical == 0x40'0ffc);
    CHECK(tables.walk(0x40'2000).physical == 0x40'2000);
    CHECK((tables.walk(0x3fff'f000).entry & 2) != 0);
    CHECK(tables.walk(huge_page).entry == 0);
    CHECK_FALSE(tables.map(u64{1} << 40, 0, page_size * 512 * 512 * 3, all, page_size));   // more than the arena holds
}
