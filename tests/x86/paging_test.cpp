// SPDX-License-Identifier: Apache-2.0
//
// hv's own page tables, walked leaf by leaf: hv maps its block, the trampoline page and the device registers it was
// given. No guest's memory, nothing writable and executable.
#include "arch/x86/paging.hpp"
#include "hv/log.hpp"
#include <doctest/doctest.h>
#include <functional>
#include <map>
#include <stdexcept>
#include <vector>

using namespace kennel;
using namespace kennel::arch;

namespace kennel {
void panic(char const* what, u64) { throw std::logic_error{what}; }
namespace arch {
void relax() {}
} // namespace arch
} // namespace kennel

namespace {

struct Fixture {
    static constexpr u64 block_base = 0x1d40'0000, frames = 1024, image_pages = 40;
    Fixture()
    {
        boot.block_base = block_base;
        boot.block_size = frames * page_size;
        boot.trampoline = 0x9f000;
        machine.boot = &boot;
        machine.block = block;
        auto master = machine.master.lock();
        *master = Pool{&machine.block};
        for (u64 i = frames; i-- > image_pages;)
            master->adopt(&records[i]);
    }
    // Calls `leaf` with virtual address, physical address and flags of each page mapped.
    void walk(std::function<void(u64, u64, u64)> const& leaf, u32 cpu = 0) { walk(paging.root(cpu).value, 3, 0, leaf); }
    std::map<u64, u64> all(u32 cpu)
    {
        std::map<u64, u64> found;
        walk([&](u64 at, u64 physical, u64 flags) { found[at] = physical | flags; }, cpu);
        return found;
    }
    void walk(u64 table, unsigned level, u64 base, std::function<void(u64, u64, u64)> const& leaf)
    {
        u64 const* entries = block.pointer<u64>({table});
        for (u64 i = 0; i < 512; i++) {
            if (!(entries[i] & Page::present))
                continue;
            u64 at = base | i << (12 + 9 * level);
            if (level == 3 && i >= 256)
                at |= 0xffff'0000'0000'0000;
            u64 const next = entries[i] & 0x000f'ffff'ffff'f000;
            if (level == 0) {
                leaf(at, next, entries[i] & ~0x000f'ffff'ffff'f000ull);
            } else {
                REQUIRE((entries[i] & 0x80) == 0);               // no large leaves, so every page is seen
                REQUIRE(in_block(next));
                walk(next, level - 1, at, leaf);
            }
        }
    }
    static bool in_block(u64 physical) { return physical - block_base < frames * page_size; }

    struct alignas(page_size) Bytes4K { u8 bytes[page_size] = {}; };
    std::vector<Bytes4K> pages{frames};
    std::vector<Frame>   records{frames};
    Block block{{block_base}, reinterpret_cast<u64>(pages.data()), records.data()};
    abi::BootInfo boot{};
    Machine    machine;
    HostPaging paging;
};

} // namespace

TEST_CASE("paging: hv maps no memory but its own block, one trampoline page, and devices it was given")
{
    Fixture f;
    u64 const base = abi::image_virtual_base;
    f.paging.build(f.machine, {base, base + 22 * page_size, base + 22 * page_size, base + 30 * page_size});
    f.paging.map_device({0xfee0'0000}, page_size);
    u64 block_pages = 0, others = 0;
    f.walk([&](u64 at, u64 physical, u64 flags) {
        bool const writable = flags & Page::writable, executable = !(flags & Page::no_execute);
        CHECK_FALSE((writable && executable));
        if (Fixture::in_block(physical)) {
            block_pages++;
            CHECK(at == physical - f.block_base + base);         // and at one place only
            CHECK(executable == (at < base + 22 * page_size));
            CHECK(writable == (at >= base + 30 * page_size));
        } else {
            others++;
            bool const known = (physical == f.boot.trampoline && at == physical && !writable) || (physical == 0xfee0'0000 && !executable && (flags & Page::cache_disable));
            CHECK(known);
        }
    });
    CHECK(block_pages == f.frames);
    CHECK(others == 2);
}

TEST_CASE("paging: a stack's neighbours are not mapped")
{
    Fixture f;
    u64 const base = abi::image_virtual_base;
    f.paging.build(f.machine, {base, base + page_size, base + page_size, base + page_size});
    f.paging.map_page(stacks_virtual_base + page_size, {f.block_base + 50 * page_size}, Page::writable | Page::no_execute);
    u64 seen = 0;
    f.walk([&](u64 at, u64, u64) { seen += at >= stacks_virtual_base && at < devices_virtual_base; });
    CHECK(seen == 1);
}

TEST_CASE("paging: what is private to a CPU is mapped on no other, and everything else on all")
{
    Fixture f;
    constexpr u32 cpus = 3;
    u64 const base = abi::image_virtual_base;
    f.paging.build(f.machine, {base, base + page_size, base + page_size, base + page_size});
    f.paging.map_device({0xfee0'0000}, page_size);
    f.paging.map_page(stacks_virtual_base + page_size, {f.block_base + 50 * page_size}, Page::writable | Page::no_execute);
    for (u32 cpu = 1; cpu < cpus; cpu++)
        f.paging.reserve(cpu);
    f.paging.set_private(0, base + 100 * page_size, true);       // before the division there is nobody to keep it from
    f.paging.divide(cpus);
    auto const common = f.all(0);
    for (u32 cpu = 1; cpu < cpus; cpu++) {
        CHECK(f.all(cpu) == common);
        CHECK(f.paging.root(cpu).value != f.paging.root(0).value);
    }

    // A page of a vCPU of each CPU, and a stack of CPU 0.
    auto const secret = [&](u32 cpu) { return base + (200 + cpu) * page_size; };
    for (u32 cpu = 0; cpu < cpus; cpu++)
        f.paging.set_private(cpu, secret(cpu), true);
    f.paging.set_private(0, stacks_virtual_base + page_size, true);
    for (u32 cpu = 0; cpu < cpus; cpu++) {
        auto const seen = f.all(cpu);
        for (u32 owner = 0; owner < cpus; owner++)
            CHECK(seen.contains(secret(owner)) == (cpu == owner));
        CHECK(seen.contains(stacks_virtual_base + page_size) == (cpu == 0));
        CHECK(seen.size() == common.size() - (cpu == 0 ? 2 : 3));
        for (auto const& [at, entry] : seen)
            CHECK(common.at(at) == entry);                       // the same page with the same rights as before
    }

    // Given back, they are everybody's again: as they were.
    for (u32 cpu = 0; cpu < cpus; cpu++)
        f.paging.set_private(cpu, secret(cpu), false);
    CHECK(f.all(0) == common);
    CHECK(f.all(2).size() == common.size() - 1);                 // all but the stack
}
