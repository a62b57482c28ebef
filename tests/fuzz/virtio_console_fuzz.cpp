// SPDX-License-Identifier: Apache-2.0
//
// virtio-console, driven by anybody: chains that are nearly right and wrong in every word on both queues, output nobody takes, input
// nobody asked for, windows of any size, resets with a buffer half sent. Only what a chain offers for writing is written, each chain comes
// back once at the most, no byte is made up, a turn costs bounded work, and after a reset no byte of RAM moves.
#include "drivers/virtio/console.hpp"
#include "tests/fuzz/virtio_driver.hpp"
#include <memory>

using namespace kennel;
using namespace kennel::fuzz;
using namespace kennel::service::wire;

namespace {

constexpr u32 from_terminal = 0, to_terminal = 1;
constexpr u32 buffers_at_once = 2 * 64 + 1;           // the device's own bound, and the one that was on its way

struct Guest {
    GuestRam&     ram;
    u8            output_space[256], input_space[64];
    ByteRing      output{output_space}, input{input_space};
    PciFunction   function;
    InterruptSink interrupts;
    VirtioConsole console{output, input};
    Driver        driver{ram, console.transport};
    u64           shown = 0, typed = 0;               // bytes, since the driver began

    explicit Guest(GuestRam& memory) : ram{memory}
    {
        interrupts.attach(7);
        console.transport.power_on(function, 0x1000, 0xc010'0000, ram.memory, interrupts);
        console.power_on();
    }

    void bring_up(u64 features)
    {
        bool const ran = console.transport.is_running();
        console.changed(driver.bring_up(features));
        if (!ran) {
            show();
            while (!input.empty())
                input.pop();
            shown = typed = 0;
        }
    }
    void show()
    {
        for (; !output.empty(); shown++)
            output.pop();
    }
    void type(u32 bytes)
    {
        for (; bytes && input.push(static_cast<u8>(typed)); bytes--)
            typed++;
    }

    template<class Do> void watched(Do&& act)
    {
        driver.offer();
        ram.remember();
        u16 before[2], after[2];
        u64 const was_shown = shown + output.size();
        for (u32 i : {0u, 1u})
            before[i] = ram.get<u16>(driver.rings[i].used + 2);
        act();
        for (u32 i : {0u, 1u})
            after[i] = ram.get<u16>(driver.rings[i].used + 2);
        if (driver.sane) {
            for (u32 i : {0u, 1u})
                demand(static_cast<u16>(after[i] - before[i]) <= buffers_at_once);
            ram.for_each_change([&](u64 at) { demand(driver.allows(at)); });
        }
        driver.collect();
        if (driver.sane) {
if (driver.rings[from_terminal].written > typed - input.size()) fprintf(stderr, "written %lu typed %lu in %u\n", driver.rings[from_terminal].written, typed, input.size());
            demand(driver.rings[from_terminal].written <= typed - input.size());
            demand(shown + output.size() - was_shown <= driver.rings[to_terminal].readable + driver.rings[to_terminal].longest);
            demand(driver.rings[to_terminal].written == 0);
        }
    }

    void reset()
    {
        console.changed(console.transport.write_port(common::device_status, 1, 0));
        demand(console.transport.read_port(common::device_status, 1) == 0 && !console.is_blocked());
        ram.remember();
        type(8);
        console.rings_changed();
        console.kicked(from_terminal);
        console.kicked(to_terminal);
        console.set_size(7, 7);
        ram.for_each_change([](u64) { demand(false); });
    }
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(unsigned char const* data, size_t size)
{
    static GuestRam ram;
    ram.clear();
    fake::reset();
    Input input{data, size};
    auto const guest = std::make_unique<Guest>(ram);
    Driver& driver = guest->driver;
    if (input.take<u8>() & 1)
        driver.size = 8;
    guest->bring_up(input.take<u32>() & 0x3000'0001);
    while (!input.empty()) {
        u8 const what = input.take<u8>();
        u32 const queue = what >> 4 & 1;
        auto& ring = driver.rings[queue];
        u16 const slot = static_cast<u16>((what >> 5) * 5 % driver.size);
        switch (what % 16) {
        case 0: case 1: case 2:                       // a buffer as drivers make them, mostly
            ram.put(ring.descriptors + 16u * slot, Descriptor{GuestRam::data_at + input.take<u16>() % 0x4000u, input.take<u8>(),
                    queue == from_terminal ? descriptor::write : u16{0}, 0});
            driver.make_available(queue, slot);
            break;
        case 3:
            ram.put(ring.descriptors + 16u * (input.take<u8>() % driver.size),
                    Descriptor{input.take<u32>() % 0x1'8000, input.take<u16>(), static_cast<u16>(input.take<u8>() % 8), input.take<u8>()});
            break;
        case 4:
            ram.put(GuestRam::indirect_at + 16u * (input.take<u8>() % 64u), Descriptor{input.take<u16>(), input.take<u16>(), static_cast<u16>(input.take<u8>() % 4), input.take<u8>()});
            break;
        case 5: {
            u64 const address = input.take<u16>();
            driver.scribble(address, input.take<u64>());
            break;
        }
        case 6:
            for (u8 n = input.take<u8>(); n; n--)
                driver.make_available(queue, slot);
            break;
        case 7: case 8:
            guest->watched([&] { guest->console.kicked(queue); });
            break;
        case 9: case 10:
            guest->type(input.take<u8>());
            guest->watched([&] { guest->console.rings_changed(); });
            break;
        case 11:
            guest->show();
            guest->watched([&] { guest->console.rings_changed(); });
            break;
        case 12:
            guest->reset();
            break;
        case 13:
            guest->bring_up(input.take<u32>() & 0x3000'0001);
            break;
        case 14:
            guest->watched([&] { guest->console.set_size(input.take<u16>(), input.take<u16>()); });
            break;
        case 15:                                      // its own registers: none can be written
            guest->watched([&] { guest->console.changed(guest->console.transport.write_port(0x80 + input.take<u8>() % 16u, 1u << input.take<u8>() % 3, input.take<u32>())); });
            break;
        }
    }
    guest->reset();
    return 0;
}
