// SPDX-License-Identifier: Apache-2.0
//
// virtio-console: bytes both ways, room that is missing for a while, and a window that changes.
#include "drivers/virtio/console.hpp"
#include "tests/host/virtio_driver.hpp"
#include <doctest/doctest.h>
#include <string>

using namespace kennel;
using namespace kennel::service;
using namespace kennel::service::fake;
using namespace kennel::service::wire;

namespace {

// Queue 1, to the terminal, has the usual rings; queue 0, from it, has these.
constexpr u64 in_descriptors = 0x5000, in_available = 0x6000, in_used = 0x7000;

struct Machine : Rings {
    World&          world = reset();
    std::vector<u8> output_space = std::vector<u8>(16), input_space = std::vector<u8>(64);
    ByteRing        output{output_space}, input{input_space};
    VirtioConsole   console{output, input};
    PciFunction     function;
    InterruptSink   interrupts;
    u16             offered = 0;

    Machine()
    {
        Transport& transport = console.transport;
        interrupts.attach(7);
        transport.power_on(function, 0x1000, 0xc010'0000, memory, interrupts);
        console.power_on();
        function.write(0x42, 2, 0x8000);
        for (u32 vector = 0; vector < 3; vector++)
            transport.write_memory(16 * vector, 4, 0xfee0'0000), transport.write_memory(16 * vector + 8, 4, 0x40 + vector), transport.write_memory(16 * vector + 12, 4, 0);
        start();
    }
    void start()
    {
        using namespace common;
        Transport& transport = console.transport;
        transport.write_port(device_status, 1, 3);
        transport.write_port(driver_feature_select, 4, 1);
        transport.write_port(driver_feature, 4, 1);
        transport.write_port(driver_feature_select, 4, 0);
        transport.write_port(driver_feature, 4, 1);   // its window's size
        transport.write_port(device_status, 1, 11);
        for (u32 queue : {0u, 1u}) {
            transport.write_port(queue_select, 2, queue);
            transport.write_port(queue_size, 2, size);
            transport.write_port(queue_vector, 2, queue + 1);
            transport.write_port(queue_descriptors, 4, queue ? descriptors_at : in_descriptors);
            transport.write_port(queue_driver, 4, queue ? available_at : in_available);
            transport.write_port(queue_device, 4, queue ? used_at : in_used);
            transport.write_port(queue_enable, 2, 1);
        }
        transport.write_port(config_vector, 2, 0);
        console.changed(transport.write_port(device_status, 1, 15));
        REQUIRE(transport.read_port(device_status, 1) == 15);
    }
    void write(std::string const& text)
    {
        std::memcpy(&ram[data_at], text.data(), text.size());
        describe(0, data_at, static_cast<u32>(text.size()), 0);
        make_available(0);
        console.kicked(1);
    }
    void offer(u64 address, u32 bytes)
    {
        put(in_descriptors, Descriptor{address, bytes, descriptor::write, 0});
        put(in_available + 4 + 2 * (offered % size), u16{0});
        put(in_available + 2, ++offered);
        console.kicked(0);
    }
    std::string taken()
    {
        std::string text;
        while (!output.empty())
            text += static_cast<char>(output.pop());
        return text;
    }
    usize raised(u64 vector) const
    {
        return static_cast<usize>(std::ranges::count_if(world.calls, [&](Made const& made) { return made.call == abi::Call::interrupt_raise && made.rdx == vector; }));
    }
};

} // namespace

TEST_CASE("virtio-console: what the guest writes, whole, even where there is no room for a while")
{
    Machine machine;
    machine.write("hello");
    CHECK(machine.taken() == "hello");
    CHECK(machine.used() == 1);
    CHECK(machine.raised(0x42) == 1);
    CHECK(machine.console.take_output_mark());
    CHECK_FALSE(machine.console.take_output_mark());

    machine.write("longer than the ring has room for");
    CHECK(machine.used() == 1);
    CHECK(machine.console.is_blocked());
    std::string all = machine.taken();
    while (machine.console.is_blocked()) {
        machine.console.rings_changed();
        all += machine.taken();
    }
    CHECK(all == "longer than the ring has room for");
    CHECK(machine.used() == 2);
    CHECK(machine.raised(0x42) == 2);
}

TEST_CASE("virtio-console: what is typed, before and after there is a buffer for it")
{
    Machine machine;
    for (char const c : std::string{"typed"})
        machine.input.push(static_cast<u8>(c));
    machine.console.rings_changed();
    CHECK(machine.raised(0x41) == 0);
    machine.offer(data_at, 3);
    CHECK(std::memcmp(&machine.ram[data_at], "typ", 3) == 0);
    machine.offer(data_at, 64);
    CHECK(std::memcmp(&machine.ram[data_at], "ed", 2) == 0);
    CHECK(machine.get<u32>(in_used + 4 + 8 + 4) == 2);
    CHECK(machine.raised(0x41) == 2);
    machine.offer(data_at, 64);
    CHECK(machine.get<u16>(in_used + 2) == 2);        // it waits for more
    machine.input.push('!');
    machine.console.rings_changed();
    CHECK(machine.get<u16>(in_used + 2) == 3);
    CHECK(machine.raised(0x41) == 3);
}

TEST_CASE("virtio-console: a window that changes is told, once")
{
    Machine machine;
    Transport& transport = machine.console.transport;
    CHECK(transport.read_port(0x80, 2) == VirtioConsole::columns);
    CHECK(transport.read_port(0x82, 2) == VirtioConsole::rows);
    u32 const generation = transport.read_port(common::config_generation, 1);
    machine.console.set_size(132, 43);
    machine.console.set_size(132, 43);
    CHECK(transport.read_port(0x80, 4) == (132u | 43u << 16));
    CHECK(transport.read_port(common::config_generation, 1) == generation + 1);
    CHECK(machine.raised(0x40) == 1);
    machine.write("a");                               // told with the first output, too
    machine.write("b");
    CHECK(machine.raised(0x40) == 2);
}

TEST_CASE("virtio-console: a reset forgets a buffer that was on its way, and broken chains and empty buffers end")
{
    Machine machine;
    machine.write("longer than the ring has room for");
    REQUIRE(machine.console.is_blocked());
    machine.console.changed(machine.console.transport.write_port(common::device_status, 1, 0));
    CHECK_FALSE(machine.console.is_blocked());
    machine.taken();
    machine.made = 0;
    machine.put(available_at + 2, u16{0}), machine.put(used_at + 2, u16{0});
    machine.start();
    for (u16 i = 0; i < machine.size; i++) {
        machine.describe(i, data_at, 0, 0);
        machine.make_available(i);
    }
    machine.console.kicked(1);
    CHECK(machine.used() == machine.size);
    machine.write("on");
    CHECK(machine.taken() == "on");
    machine.describe(0, data_at, 1, descriptor::next, 200);
    machine.make_available(0);
    machine.console.kicked(1);
    CHECK((machine.console.transport.read_port(common::device_status, 1) & status::needs_reset) != 0);
}

TEST_CASE("virtio-console: where one of its queues is broken the other stands still, too")
{
    Machine machine;
    machine.offer(data_at + 0x100, 8);
    machine.describe(0, data_at, 1, descriptor::next, 200);
    machine.make_available(0);
    machine.console.kicked(1);
    CHECK((machine.console.transport.read_port(common::device_status, 1) & status::needs_reset) != 0);
    machine.input.push('x');
    machine.console.rings_changed();
    machine.console.kicked(0);
    CHECK(machine.get<u16>(in_used + 2) == 0);
    CHECK(machine.ram[data_at + 0x100] == 0);
}
