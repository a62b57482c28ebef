// SPDX-License-Identifier: Apache-2.0
//
// What guests left over: a share of the time for all of it, and the same for each that has some.
#include "drivers/turns.hpp"
#include "tests/host/service_fake.hpp"
#include <doctest/doctest.h>
#include <array>
#include <utility>

using namespace kennel;
using namespace kennel::service;

namespace {

constexpr u64 second = 1'000'000'000;                 // in ticks

// A guest's devices as Turns sees them: something is left over, or has a time, or nothing is there.
struct Devices {
    u64 at = ~0ull;
    u64 portion = 300'000;                            // ticks
    u64 turns = 0, latest = 0;

    u64  continue_at() const { return at; }
    void go_on(u64 now)
    {
        turns++;
        if (at)
            latest = std::max(latest, now - std::exchange(at, now + second / 100));
        else
            fake::world().now += portion;
    }
};

struct Cpu {
    fake::World& world = fake::reset();
    Turns turns{second};
    std::array<Devices, 8> guests;

    // As the service does: it comes when it was told to. -> ticks it had
    u64 run(u64 ticks)
    {
        u64 worked = 0;
        u64 const end = world.now + ticks;
        for (u64 again = world.now; again < end;) {
            u64 const begin = world.now = std::max(world.now, again);
            again = turns.take(static_cast<u32>(guests.size()), begin, [&](u32 number) { return number == 5 ? nullptr : &guests[number]; });
            worked += world.now - begin;
        }
        world.now = std::max(world.now, end);
        return worked;
    }
};

} // namespace

TEST_CASE("turns: guests that leave something over have the same share each, and all together a twelfth of the time")
{
    for (u32 const flooding : {1u, 2u, 5u}) {
        CAPTURE(flooding);
        Cpu cpu;
        for (u32 i = 0; i < flooding; i++)
            cpu.guests[i].at = 0;
        CHECK(cpu.run(second) * 11 < second);
        for (u32 i = 0; i < flooding; i++) {
            CAPTURE(i);
            CHECK(cpu.guests[i].turns * flooding * cpu.guests[i].portion >= second / 14);
            CHECK(cpu.guests[i].turns - cpu.guests[0].turns + 1 <= 2);
        }
        for (u32 i = flooding; i < cpu.guests.size(); i++)
            CHECK(cpu.guests[i].turns == 0);
    }
}

TEST_CASE("turns: what has a time is done then, whatever others left over")
{
    Cpu cpu;
    for (u32 i = 0; i < 4; i++)
        cpu.guests[i].at = 0;
    cpu.guests[6].at = cpu.world.now + second / 100;
    cpu.run(second);
    CHECK(cpu.guests[6].turns >= 90);
    CHECK(cpu.guests[6].latest <= 5 * cpu.guests[0].portion);   // one portion of each of the others
}

TEST_CASE("turns: with nothing left over nobody comes again, and a guest that is away has none")
{
    Cpu cpu;
    CHECK(cpu.turns.take(8, cpu.world.now, [&](u32 number) { return &cpu.guests[number]; }) == ~0ull);
    cpu.guests[5].at = 0;
    CHECK(cpu.run(second) < second / 1000);
    CHECK(cpu.guests[5].turns == 0);
}
