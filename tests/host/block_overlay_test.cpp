// SPDX-License-Identifier: Apache-2.0
#include "drivers/block/medium.hpp"
#include "tests/host/ide_machine.hpp"
#include <doctest/doctest.h>
#include <deque>
#include <random>
#include <thread>
#include <vector>

using namespace kennel;
using namespace kennel::service;

namespace {

constexpr auto pending = Submission::State::pending;

BlockRequest transfer(BlockProperties const& medium, BlockOperation operation, u64 first, Segment const& segment, u32 token = 0)
{
    static std::deque<Segment> kept;                   // a request refers to its segments
    auto const request = BlockRequest::transfer(medium, operation, first, {&kept.emplace_back(segment), 1}, token);
    REQUIRE(request);
    return *request;
}

struct Random {
    std::mt19937_64 engine{7};
    u64 operator()(u64 below) { return engine() % below; }
};

// 4 KiB-aligned memory for an overlay.
struct Pages {
    explicit Pages(usize bytes) : space(bytes + 4096) {}
    std::vector<u8> space;
    std::span<u8> span() { return {reinterpret_cast<u8*>((reinterpret_cast<u64>(space.data()) + 4095) & ~u64{4095}), space.size() - 4096}; }
};

} // namespace

TEST_CASE("an overlay shows what was written, and the medium below stays what it was")
{
    constexpr u64 sectors = 300;
    std::vector<u8> below(sectors * 512);
    for (usize i = 0; i < below.size(); i++)
        below[i] = static_cast<u8>(i / 512 + i);
    auto const before = below;
    auto model = below;
    Pages memory{400 * 1024};
    MemoryDisk base{below, true};
    Overlay overlay{base, memory.span()};
    Medium medium{overlay};
    CHECK_FALSE(medium.properties().read_only);
    Random random;
    std::vector<u8> data(64 * 512);
    for (int round = 0; round < 3000; round++) {
        u64 const count = 1 + random(40), first = random(sectors - count + 1);
        Segment const pieces[] = {{data.data(), static_cast<u32>(random(count * 512))}, {nullptr, 0}};
        Segment const both[] = {pieces[0], {data.data() + pieces[0].size, static_cast<u32>(count * 512 - pieces[0].size)}};
        auto const operation = random(3);
        if (operation == 0) {
            auto zero = BlockRequest::clearing(medium.properties(), BlockOperation::write_zeroes, first, count, 0);
            REQUIRE(medium.submit(*zero).status == BlockStatus::ok);
            std::memset(&model[first * 512], 0, count * 512);
            continue;
        }
        auto request = *BlockRequest::transfer(medium.properties(), operation == 1 ? BlockOperation::write : BlockOperation::read, first, both, 0);
        if (operation == 1) {
            for (u64 i = 0; i < count * 512; i++)
                data[i] = static_cast<u8>(random(256));
            std::memcpy(&model[first * 512], data.data(), count * 512);
            REQUIRE(medium.submit(request).status == BlockStatus::ok);
        } else {
            REQUIRE(medium.submit(request).status == BlockStatus::ok);
            REQUIRE(std::memcmp(&model[first * 512], data.data(), count * 512) == 0);
        }
    }
    CHECK(below == before);
}

TEST_CASE("an overlay that is full gives an I/O error, changes nothing, and goes on with what it has")
{
    std::vector<u8> below(100 * 4096, 1);
    Pages memory{3 * 4096 + 3 * 64};                   // three blocks
    MemoryDisk base{below, true};
    Overlay overlay{base, memory.span()};
    std::vector<u8> data(4 * 4096, 2), back(4096);
    auto write = [&](u64 first, u32 bytes) {
        auto request = transfer(overlay.properties(), BlockOperation::write, first, {data.data(), bytes});
        return overlay.submit(request).status;
    };
    CHECK(write(0, 2 * 4096) == BlockStatus::ok);
    CHECK(write(16, 4 * 4096) == BlockStatus::io_error);           // one of them would have fitted
    auto read = transfer(overlay.properties(), BlockOperation::read, 16, {back.data(), 4096});
    CHECK(overlay.submit(read).status == BlockStatus::ok);
    CHECK(back[0] == 1);
    CHECK(write(8, 2 * 4096) == BlockStatus::ok);                   // the third
    CHECK(write(30, 512) == BlockStatus::io_error);
    CHECK(write(0, 3 * 4096) == BlockStatus::ok);                   // what is kept can be written again
    CHECK(overlay.refused() == 2);
    CHECK(overlay.counters().errors == 2);
    auto flush = BlockRequest::flush(0);
    CHECK(overlay.submit(flush).status == BlockStatus::ok);

    Overlay nothing{base, {}};
    auto request = transfer(nothing.properties(), BlockOperation::write, 0, {data.data(), 512});
    CHECK(nothing.submit(request).status == BlockStatus::io_error);
    auto look = transfer(nothing.properties(), BlockOperation::read, 0, {back.data(), 512});
    CHECK(nothing.submit(look).status == BlockStatus::ok);
}

TEST_CASE("an overlay over a drive never writes to it, and mends reads when they complete")
{
    fake::IdeMachine machine{100};
    for (u64 i = 0; i < 100; i++)
        machine.ide.drives[0].platter[i].fill(static_cast<u8>(i));
    auto recipe = machine.recipe(0, 100);
    recipe.read_only = true;
    DriveSlice slice{recipe};
    Pages memory{64 * 1024};
    Overlay overlay{slice, memory.span()};
    Medium medium{overlay};
    u8* const data = machine.ram;
    std::memset(data, 0xee, 512);
    auto write = transfer(medium.properties(), BlockOperation::write, 11, {data, 512});
    CHECK(medium.submit(write).status == BlockStatus::ok);
    auto own = transfer(medium.properties(), BlockOperation::read, 11, {data + 512, 512});
    CHECK(medium.submit(own).status == BlockStatus::ok);            // no need to go below
    auto read = transfer(medium.properties(), BlockOperation::read, 10, {data + 4096, 3 * 512}, 5);
    CHECK(medium.submit(read).state == pending);
    machine.step();
    auto const completion = medium.take_completion();
    REQUIRE(completion);
    CHECK(completion->token() == 5);
    CHECK(data[4096] == 10);
    CHECK(data[4096 + 512] == 0xee);
    CHECK(data[4096 + 1024] == 12);
    CHECK(machine.ide.drives[0].count(0x35) == 0);
    CHECK(machine.ide.drives[0].cache.empty());
}

TEST_CASE("a drive of another vCPU's: requests and completions cross, each side rings when the other sleeps")
{
    fake::IdeMachine machine{100};
    DriveSlice slice{machine.recipe(0, 100)};
    slice.home = 3;
    slice.event = 77;
    RemoteDisk remote{slice, {0, 9}};
    Medium medium{remote};
    u8* const data = machine.ram;
    auto write = transfer(medium.properties(), BlockOperation::write, 11, {data, 512}, 4);
    std::vector<BlockRequest> requests(DriveSlice::depth, write);
    for (auto& request : requests)
        CHECK(medium.submit(request).state == pending);
    CHECK(medium.submit(write).state == Submission::State::busy);
    CHECK(fake::world().count(abi::Call::event_raise) == 1);        // once, for all of them
    CHECK(fake::world().last(abi::Call::event_raise).rdi == 0);
    CHECK(fake::world().last(abi::Call::event_raise).rsi == 9);
    CHECK_FALSE(medium.take_completion());
    remote.serve();
    for (u32 i = 0; i < DriveSlice::depth; i++) {
        machine.step();
    }
    CHECK(machine.channel.take_news() == &slice);
    remote.serve();
    CHECK(fake::world().count(abi::Call::event_raise) == 2);
    CHECK(fake::world().last(abi::Call::event_raise).rdi == 3);
    CHECK(fake::world().last(abi::Call::event_raise).rsi == 77);
    for (u32 i = 0; i < DriveSlice::depth; i++)
        CHECK(medium.take_completion()->token() == 4);
    CHECK_FALSE(medium.take_completion());
    CHECK(medium.submit(write).state == pending);
    CHECK(fake::world().count(abi::Call::event_raise) == 3);
}

TEST_CASE("a ring between two vCPUs loses nothing and keeps the order")
{
    HandOver<u32, 64> there, back;
    constexpr u32 most = 200'000;
    std::thread other{[&] {
        for (u32 seen = 0; seen < most;)
            if (auto const item = there.pop()) {
                back.push(*item);
                seen++;
            } else {
                std::this_thread::yield();
            }
    }};
    u32 sent = 0, received = 0;
    bool in_order = true;
    while (received < most) {
        while (sent < most && sent - received < 64)
            there.push(sent++);
        bool progress = false;
        while (auto const item = back.pop()) {
            in_order &= *item == received++;
            progress = true;
        }
        if (!progress)
            std::this_thread::yield();
    }
    other.join();
    CHECK(in_order);
}
