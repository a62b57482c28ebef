// SPDX-License-Identifier: Apache-2.0
//
// See service_fake.hpp. These definitions take the place of drivers/hypercalls.cpp and drivers/instructions.cpp.
#include "tests/host/service_fake.hpp"
#include "drivers/fault.hpp"
#include "drivers/instructions.hpp"
#include <algorithm>
#include <stdexcept>

namespace kennel::service {

namespace fake {

World& world()
{
    static World the_world;
    return the_world;
}

World& reset() { return world() = World{}; }

usize World::count(abi::Call call) const
{
    return static_cast<usize>(std::count_if(calls.begin(), calls.end(), [&](Made const& made) { return made.call == call; }));
}

Made const& World::last(abi::Call call) const
{
    auto const found = std::find_if(calls.rbegin(), calls.rend(), [&](Made const& made) { return made.call == call; });
    if (found == calls.rend())
        throw std::logic_error("this call was never made");
    return *found;
}

} // namespace fake

Answer hypercall(abi::Call call, u64 rdi, u64 rsi, u64 rdx, u64 r8, u64 r9)
{
    fake::World& world = fake::world();
    world.calls.push_back({call, rdi, rsi, rdx, r8, r9});
    return world.answer ? world.answer(world.calls.back()) : Answer{Status::ok, 0, 0};
}

u8 read_port(u16 port)
{
    fake::World& world = fake::world();
    if (u32 value = 0; world.device && world.device->read(port, 1, value))
        return static_cast<u8>(value);
    switch (port & 7) {
    case 0: {
        char const c = world.typed.empty() ? '\0' : world.typed.front();
        if (!world.typed.empty())
            world.typed.pop_front();
        return static_cast<u8>(c);
    }
    case 2: {
        if ((world.interrupts_enabled & 1) && !world.typed.empty())
            return 0xc4;
        bool const empty = world.empty_interrupt && (world.interrupts_enabled & 2);
        world.empty_interrupt = false;
        return empty ? 0xc2 : 0xc1;
    }
    case 5:
        return static_cast<u8>((world.room ? 0x60 : 0) | (world.typed.empty() ? 0 : 1));
    default:
        return 0;
    }
}

void write_port(u16 port, u8 value)
{
    fake::World& world = fake::world();
    if (world.device && world.device->write(port, 1, value))
        return;
    static bool divisor = false;
    if ((port & 7) == 3)
        divisor = value & 0x80;
    if ((port & 7) == 1 && !divisor)
        world.interrupts_enabled = value;
    if ((port & 7) == 0 && !divisor) {
        world.sent += static_cast<char>(value);
        if (world.room)
            world.room--;
    }
}

u16 read_port16(u16 port)
{
    u32 value = 0xffff;                               // nobody is there
    if (fake::world().device)
        fake::world().device->read(port, 2, value);
    return static_cast<u16>(value);
}

u32 read_port32(u16 port)
{
    u32 value = 0xffff'ffff;
    if (fake::world().device)
        fake::world().device->read(port, 4, value);
    return value;
}

void write_port16(u16 port, u16 value)
{
    if (fake::world().device)
        fake::world().device->write(port, 2, value);
}

void write_port32(u16 port, u32 value)
{
    if (fake::world().device)
        fake::world().device->write(port, 4, value);
}

u32 read_register(u64 address) { return fake::world().registers ? fake::world().registers->read(address) : 0xffff'ffff; }
void write_register(u64 address, u32 value)
{
    if (fake::world().registers)
        fake::world().registers->write(address, value);
}

u64 time_stamp() { return fake::world().now += fake::world().tick; }
void stop_here() { throw std::runtime_error("the service rests"); }
void give_up(char const* what, u64) { throw std::runtime_error(what); }

} // namespace kennel::service
