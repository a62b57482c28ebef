// SPDX-License-Identifier: Apache-2.0
#include "tests/host/ide_machine.hpp"
#include <doctest/doctest.h>
#include <numeric>
#include <vector>

using namespace kennel;
using namespace kennel::service;

namespace {

using Machine = fake::IdeMachine;
using fake::tsc_hz;

void fill(u8* at, usize bytes, u8 seed)
{
    for (usize i = 0; i < bytes; i++)
        at[i] = static_cast<u8>(seed + i * 13 + i / 509);
}

BlockRequest transfer(DriveSlice const& slice, BlockOperation operation, u64 first, std::span<Segment const> segments, u32 token = 0)
{
    auto const request = BlockRequest::transfer(slice.properties(), operation, first, segments, token);
    REQUIRE(request);
    return *request;
}

constexpr auto pending = Submission::State::pending, done = Submission::State::done, busy = Submission::State::busy;

} // namespace

TEST_CASE("a drive is identified, a missing one and a packet device are not")
{
    Machine machine;
    CHECK_FALSE(machine.channel.identify(1));
    machine.ide.drives[1].packet = true;
    auto const packet = machine.channel.identify(1);
    REQUIRE(packet);
    CHECK(packet->error() == IdentityError::not_ata);
    auto const again = machine.channel.identify(0);
    CHECK((*again)->sectors == 4096);
    CHECK((*again)->write_back);
    CHECK(std::string_view{(*again)->model} == "Fake");
    machine.ide.gone = true;
    CHECK_FALSE(machine.channel.identify(0));
}

TEST_CASE("what a guest writes through a slice comes back, whatever its segments look like")
{
    for (bool const lba48 : {true, false}) {
        Machine machine{4096, lba48};
        DriveSlice slice{machine.recipe(100, 2000)};
        u8* const out = machine.ram;
        u8* const in = machine.ram + (1 << 20);
        constexpr usize bytes = 600 * 512;             // more than one command may do
        fill(out, bytes, 1);
        // Odd places: across 64 KiB boundaries, of two bytes, none.
        std::vector<Segment> const segments{{out, 2}, {out + 2, 0}, {out + 2, 65534 + 512}, {out + 66048, static_cast<u32>(bytes - 66048)}};
        auto write = transfer(slice, BlockOperation::write, 7, segments, 11);
        CHECK(slice.submit(write).state == pending);
        machine.run();
        auto const completion = slice.take_completion();
        REQUIRE(completion);
        CHECK(completion->status == BlockStatus::ok);
        CHECK(completion->token() == 11);
        CHECK_FALSE(slice.take_completion());

        std::vector<Segment> const back{{in, 1024}, {in + 1024, static_cast<u32>(bytes - 1024)}};
        auto read = transfer(slice, BlockOperation::read, 7, back);
        slice.submit(read);
        machine.run();
        CHECK(slice.take_completion()->status == BlockStatus::ok);
        CHECK(std::memcmp(in, out, bytes) == 0);
        CHECK(machine.channel.counters().bounced == 0);
        CHECK(machine.ide.drives[0].commands.size() > 2);
        CHECK(machine.ide.drives[0].commands[0].first == 107);
        for (auto const& command : machine.ide.drives[0].commands)
            CHECK(command.count * 512 <= AtaChannel::command_bytes);
    }
}

TEST_CASE("segments a bus master cannot reach are copied once")
{
    Machine machine;
    DriveSlice slice{machine.recipe(0, 4096)};
    std::vector<u8> high(200 * 512 + 1), back(high.size());      // the heap lies above 4 GiB
    fill(high.data(), high.size(), 5);
    Segment const out{high.data(), 200 * 512};
    auto write = transfer(slice, BlockOperation::write, 3, {&out, 1});
    slice.submit(write);
    machine.run();
    CHECK(slice.take_completion()->status == BlockStatus::ok);
    Segment const in[] = {{machine.ram + 1, 101}, {machine.ram + 4096, 200 * 512 - 101}};   // odd
    auto read = transfer(slice, BlockOperation::read, 3, in);
    slice.submit(read);
    machine.run();
    CHECK(slice.take_completion()->status == BlockStatus::ok);
    CHECK(std::memcmp(machine.ram + 1, high.data(), 101) == 0);
    CHECK(std::memcmp(machine.ram + 4096, high.data() + 101, 200 * 512 - 101) == 0);
    CHECK(machine.channel.counters().bounced > 0);
}

TEST_CASE("the most segments of a request fit one table, each across a boundary")
{
    Machine machine{4096};
    DriveSlice slice{machine.recipe(0, 4096)};
    std::vector<Segment> segments;
    for (u32 i = 0; i < max_segments; i++)
        segments.push_back({machine.ram + 65536 - 512, 1024});
    auto write = transfer(slice, BlockOperation::write, 0, segments);
    slice.submit(write);
    machine.run();
    CHECK(slice.take_completion()->status == BlockStatus::ok);
    CHECK(machine.channel.counters().bounced == 0);
    CHECK(machine.channel.counters().commands == 1);
}

TEST_CASE("zeroes are written without a guest's data")
{
    Machine machine;
    DriveSlice slice{machine.recipe(10, 3000)};
    for (u64 i = 0; i < 4096; i++)
        machine.ide.drives[0].platter[i].fill(0xaa);
    auto zero = BlockRequest::clearing(slice.properties(), BlockOperation::write_zeroes, 5, 1001, 0);
    slice.submit(*zero);
    machine.run();
    CHECK(slice.take_completion()->status == BlockStatus::ok);
    CHECK(machine.ide.drives[0].read(14)[0] == 0xaa);
    CHECK(machine.ide.drives[0].read(15)[0] == 0);
    CHECK(machine.ide.drives[0].read(1015)[511] == 0);
    CHECK(machine.ide.drives[0].read(1016)[0] == 0xaa);
    auto discard = BlockRequest::clearing(slice.properties(), BlockOperation::discard, 5, 1, 0);
    CHECK(slice.submit(*discard).status == BlockStatus::unsupported);
}

TEST_CASE("a flush reaches the drive: what was flushed survives a power cut, the rest does not")
{
    Machine machine;
    DriveSlice slice{machine.recipe(0, 4096)};
    CHECK(slice.properties().write_back);
    fill(machine.ram, 1024, 9);
    Segment const first{machine.ram, 512}, second{machine.ram + 512, 512};
    auto write = transfer(slice, BlockOperation::write, 1, {&first, 1});
    auto flush = BlockRequest::flush(2);
    auto later = transfer(slice, BlockOperation::write, 2, {&second, 1});
    slice.submit(write);
    slice.submit(flush);
    slice.submit(later);
    machine.run();
    for (int i = 0; i < 3; i++)
        CHECK(slice.take_completion()->status == BlockStatus::ok);
    CHECK(machine.ide.drives[0].count(0xea) == 1);
    machine.ide.drives[0].power_cut();
    CHECK(std::memcmp(machine.ide.drives[0].read(1).data(), machine.ram, 512) == 0);
    CHECK(machine.ide.drives[0].read(2)[0] == 0);
}

TEST_CASE("write-through: a completed write survives a power cut without a flush of the guest's")
{
    Machine machine{4096, false};
    auto recipe = machine.recipe(0, 4096);
    recipe.write_through = true;
    DriveSlice slice{recipe};
    CHECK_FALSE(slice.properties().write_back);
    fill(machine.ram, 300 * 512, 9);
    Segment const data{machine.ram, 300 * 512};
    auto write = transfer(slice, BlockOperation::write, 1, {&data, 1});
    slice.submit(write);
    while (machine.ide.has_command()) {
        CHECK_FALSE(slice.take_completion());
        machine.step();
    }
    CHECK(slice.take_completion()->status == BlockStatus::ok);
    CHECK(machine.ide.drives[0].count(0xe7) == 1);     // one, after the last of several commands
    machine.ide.drives[0].power_cut();
    CHECK(std::memcmp(machine.ide.drives[0].read(300).data(), machine.ram + 299 * 512, 512) == 0);
    // Zeroes are writes; reads need no flush.
    auto zero = BlockRequest::clearing(slice.properties(), BlockOperation::write_zeroes, 1, 1, 0);
    slice.submit(*zero);
    machine.run();
    auto read = transfer(slice, BlockOperation::read, 1, {&data, 1});
    slice.submit(read);
    machine.run();
    CHECK(machine.ide.drives[0].count(0xe7) == 2);
}

TEST_CASE("write-through: a drive that has no cache, and no command to flush one, is not asked to")
{
    Machine machine;
    machine.ide.drives[0].flushes = false;
    auto const identity = machine.channel.identify(0);
    REQUIRE(identity);
    CHECK_FALSE((*identity)->write_back);
    auto recipe = machine.recipe(0, 4096);
    recipe.write_back = (*identity)->write_back;
    recipe.write_through = true;
    DriveSlice slice{recipe};
    Segment const data{machine.ram, 512};
    auto write = transfer(slice, BlockOperation::write, 1, {&data, 1});
    slice.submit(write);
    machine.run();
    CHECK(slice.take_completion()->status == BlockStatus::ok);
    auto flush = BlockRequest::flush(2);
    Submission const answer = slice.submit(flush);
    CHECK((answer.state == done && answer.status == BlockStatus::ok));
    CHECK(machine.ide.drives[0].commands.size() == 1);
}

TEST_CASE("a cache that cannot be flushed: nobody hears that it was")
{
    Machine machine;
    machine.ide.drives[0].flushes = false;             // though it says that it has a cache
    REQUIRE(machine.channel.identify(0));
    DriveSlice slice{machine.recipe(0, 4096)};
    auto flush = BlockRequest::flush(2);
    CHECK(slice.submit(flush).state == pending);
    machine.run();
    CHECK(slice.take_completion()->status == BlockStatus::io_error);
}

TEST_CASE("two slices: neither reaches a sector of the other, and both get their turn")
{
    Machine machine;
    DriveSlice left{machine.recipe(1000, 1000)}, right{machine.recipe(2000, 1000)};
    for (auto* slice : {&left, &right}) {
        u64 const sectors = slice->properties().sectors;
        CHECK(sectors == 1000);
        for (u64 const first : {1000ull, 999ull, ~0ull, ~0ull - 1, ~0ull - 1000, ~0ull / 512, 1ull << 32, (1ull << 55) + 1}) {
            Segment const two{machine.ram, 1024};
            CHECK_FALSE(BlockRequest::transfer(slice->properties(), BlockOperation::write, first, {&two, 1}, 0));
            CHECK_FALSE(BlockRequest::clearing(slice->properties(), BlockOperation::write_zeroes, first, 2, 0));
        }
    }
    Segment const all{machine.ram, 1000 * 512};
    fill(machine.ram, 1000 * 512, 3);
    auto last = transfer(left, BlockOperation::write, 0, {&all, 1});
    left.submit(last);
    machine.run();
    CHECK(left.take_completion()->status == BlockStatus::ok);
    for (auto const& [number, sector] : machine.ide.drives[0].cache)
        CHECK((number >= 1000 && number < 2000));
    CHECK(machine.ide.drives[0].cache.size() == 1000);

    // One floods its queue with large requests; a small one of the other waits for one command, not for all of them.
    std::vector<BlockRequest> flood(DriveSlice::depth, last);
    for (auto& request : flood)
        CHECK(left.submit(request).state == pending);
    auto one_more = last;
    CHECK(left.submit(one_more).state == busy);
    Segment const small{machine.ram, 512};
    auto request = transfer(right, BlockOperation::read, 0, {&small, 1});
    auto const before = machine.ide.drives[0].commands.size();
    CHECK(right.submit(request).state == pending);
    machine.step();
    machine.step();
    CHECK(right.take_completion());
    CHECK(machine.ide.drives[0].commands.size() - before <= 2);
    machine.run();
    u32 finished = 0;
    while (left.take_completion())
        finished++;
    CHECK(finished == DriveSlice::depth);
}

TEST_CASE("completions that nobody takes count as pending: memory stays bounded")
{
    Machine machine;
    DriveSlice slice{machine.recipe(0, 100)};
    Segment const data{machine.ram, 512};
    auto const read = transfer(slice, BlockOperation::read, 0, {&data, 1});
    std::vector<BlockRequest> requests(DriveSlice::depth + 1, read);
    for (u32 i = 0; i < DriveSlice::depth; i++)
        CHECK(slice.submit(requests[i]).state == pending);
    machine.run();
    CHECK(slice.submit(requests.back()).state == busy);
    CHECK(slice.take_completion());
    CHECK(slice.submit(requests.back()).state == pending);
    machine.run();
    CHECK(machine.channel.take_news() == &slice);
    CHECK(machine.channel.take_news() == nullptr);
}

TEST_CASE("a read-only slice gives the drive no command that changes it")
{
    Machine machine;
    auto recipe = machine.recipe(0, 100);
    recipe.read_only = true;
    DriveSlice slice{recipe};
    Segment const data{machine.ram, 512};
    auto write = transfer(slice, BlockOperation::write, 0, {&data, 1});
    CHECK(slice.submit(write).status == BlockStatus::io_error);
    auto zero = BlockRequest::clearing(slice.properties(), BlockOperation::write_zeroes, 0, 1, 0);
    CHECK(slice.submit(*zero).status == BlockStatus::io_error);
    CHECK(machine.ide.drives[0].commands.empty());
    CHECK(slice.counters().errors == 2);
}

TEST_CASE("an error is asked again for, and becomes an I/O error when it stays; a flush's error stands")
{
    Machine machine;
    DriveSlice slice{machine.recipe(0, 100)};
    Segment const data{machine.ram, 512};
    auto read = transfer(slice, BlockOperation::read, 0, {&data, 1});
    machine.ide.failures = 2;
    slice.submit(read);
    machine.run();
    CHECK(slice.take_completion()->status == BlockStatus::ok);
    CHECK(machine.channel.counters().retries == 2);

    machine.ide.failures = 3;
    slice.submit(read);
    machine.run();
    CHECK(slice.take_completion()->status == BlockStatus::io_error);
    CHECK(slice.counters().errors == 1);

    machine.ide.failures = 1;
    auto flush = BlockRequest::flush(0);
    slice.submit(flush);
    machine.run();
    CHECK(slice.take_completion()->status == BlockStatus::io_error);
    slice.submit(read);                                // the channel works on
    machine.run();
    CHECK(slice.take_completion()->status == BlockStatus::ok);
}

TEST_CASE("a drive that ends before its data is moved has failed")
{
    Machine machine;
    DriveSlice slice{machine.recipe(0, 100)};
    Segment const data{machine.ram, 512};
    auto read = transfer(slice, BlockOperation::read, 0, {&data, 1});
    machine.ide.short_transfers = 3;
    slice.submit(read);
    machine.run();
    CHECK(slice.take_completion()->status == BlockStatus::io_error);
}

TEST_CASE("a slow drive is waited for, a lost interrupt is found")
{
    Machine machine;
    DriveSlice slice{machine.recipe(0, 100)};
    Segment const data{machine.ram, 512};
    auto read = transfer(slice, BlockOperation::read, 0, {&data, 1});
    slice.submit(read);
    u64 const deadline = machine.channel.deadline();
    CHECK(deadline != ~0ull);
    machine.channel.interrupt();                       // not the drive's
    machine.channel.timer(deadline - 1);
    CHECK_FALSE(slice.take_completion());
    machine.ide.swallow_interrupt = true;
    machine.step();
    CHECK_FALSE(slice.take_completion());
    machine.channel.timer(deadline);
    CHECK(slice.take_completion()->status == BlockStatus::ok);
    CHECK(machine.channel.counters().lost_interrupts == 1);
    CHECK(machine.channel.deadline() == ~0ull);
}

TEST_CASE("a silent drive is reset and asked again, with more patience each time, before its request fails")
{
    Machine machine;
    DriveSlice slice{machine.recipe(0, 100)};
    Segment const data{machine.ram, 512};
    auto read = transfer(slice, BlockOperation::read, 0, {&data, 1});
    auto later = [&] {                                 // the clock goes on to the deadline
        u64 const deadline = machine.channel.deadline();
        fake::world().now = deadline;
        machine.channel.timer(deadline);
    };
    machine.ide.silent = true;
    slice.submit(read);
    u64 const first = machine.channel.deadline() - fake::world().now;
    later();
    CHECK(machine.ide.resets == 1);
    CHECK_FALSE(slice.take_completion());
    later();                                           // the drive is back
    CHECK(machine.channel.deadline() - fake::world().now > first);
    machine.run();
    CHECK(slice.take_completion()->status == BlockStatus::ok);

    slice.submit(read);
    for (int i = 0; i < 40 && machine.channel.deadline() != ~0ull; i++) {
        machine.ide.silent = true;
        later();
    }
    CHECK(slice.take_completion()->status == BlockStatus::io_error);
    CHECK_FALSE(machine.channel.failed());
    machine.ide.silent = false;
    slice.submit(read);
    machine.run();
    CHECK(slice.take_completion()->status == BlockStatus::ok);
}

TEST_CASE("a drive that is gone fails everything that waits, and what comes later, at once")
{
    for (bool const cable : {false, true}) {
        Machine machine;
        DriveSlice one{machine.recipe(0, 100)}, other{machine.recipe(100, 100)};
        Segment const data{machine.ram, 512};
        auto const read = transfer(one, BlockOperation::read, 0, {&data, 1});
        std::vector<BlockRequest> requests(4, read);
        for (usize i = 0; i < 4; i++)
            (i < 2 ? one : other).submit(requests[i]);
        (cable ? machine.ide.gone : machine.ide.dead) = true;
        for (int i = 0; i < 10'000 && machine.channel.deadline() != ~0ull; i++) {
            fake::world().now = machine.channel.deadline();
            machine.channel.timer(fake::world().now);
        }
        for (auto* slice : {&one, &other}) {
            CHECK(slice->take_completion()->status == BlockStatus::io_error);
            CHECK(slice->take_completion()->status == BlockStatus::io_error);
            CHECK_FALSE(slice->take_completion());
        }
        auto again = read;
        auto const answer = one.submit(again);
        CHECK(answer.state == done);
        CHECK(answer.status == BlockStatus::io_error);
    }
}
