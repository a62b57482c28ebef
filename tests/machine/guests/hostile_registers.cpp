// SPDX-License-Identifier: Apache-2.0
//
// A driver that writes its device's registers in the wrong order, at the wrong time and with the wrong numbers.
#include "tests/machine/guest/apic.hpp"
#include "tests/machine/guest/traps.hpp"
#include "tests/machine/guest/verdict.hpp"
#include "tests/machine/guest/virtio.hpp"

namespace kennel::guest {

constinit char const* const title = "hostile registers: what may not be changed stays, what means nothing does nothing, and interrupts go nowhere else";

namespace {

constexpr u64 run_ticks = 100'000'000;
using namespace service::wire::status;

BlockDriver<16> disk;
Ring<16> other;
alignas(4096) u8 data[4096];
VirtioDevice const& device = disk.device;

void too_early(Verdict& verdict)
{
    verdict.that("reset", device.reset());
    for (u16 queue = 0; queue < 16; queue++)
        device.kick(queue);                           // no driver, no ring; and queues there are not
    device.drive();
    device.kick();
    verdict.that("no DRIVER_OK without features", !(device.status() & driver_ok));
    // Without VERSION_1 it is not a driver of ours.
    verdict.that("reset", device.reset());
    device.set_status(acknowledge | driver);
    device.accept(0);
    device.set_status(acknowledge | driver | features_ok);
    verdict.that("VERSION_1 is needed", !(device.status() & features_ok));
    verdict.that("reset", device.reset());
    verdict.that("features that are not offered", !device.negotiate(~device.offered()));

    // Rings that are no memory, not aligned, or at the top of addresses: it asks for a reset when it is to start.
    struct { u64 descriptors, available, used; } const wrong[] = {
        {0x8000'0000, address_of(&other.available), address_of(&other.used)}, {address_of(other.descriptors) + 8, address_of(&other.available), address_of(&other.used)},
        {address_of(other.descriptors), ~0ull - 3, address_of(&other.used)},  {address_of(other.descriptors), address_of(&other.available) + 1, address_of(&other.used)},
        {address_of(other.descriptors), address_of(&other.available), 4 * 1024 * 1024 - 8}, {address_of(other.descriptors), address_of(&other.available), device.table()},
    };
    for (auto const& one : wrong) {
        verdict.that("a driver", device.reset() && device.negotiate(0));
        device.set_queue(0, 16, one.descriptors, one.available, one.used);
        device.drive();
        device.kick();
        verdict.that("a ring that cannot be", device.needs_reset());
    }
    // Sizes that are not allowed leave it as it was; a queue that was not enabled is none.
    verdict.that("a driver", device.reset() && device.negotiate(0));
    for (u32 const size : {0u, 3u, 257u, 512u, 0x8000u, 0xffffu}) {
        device.set_queue(0, static_cast<u16>(size), 0, 0, 0, false);
        verdict.equal("the queue's size", in16(device.at(service::wire::common::queue_size)), 256);
    }
    device.drive();
    device.kick();
    verdict.that("no queue, no trouble", !device.needs_reset());
    // Queues there are not: all registers read 0, and take nothing.
    for (u32 const queue : {1u, 2u, 0x7fffu, 0xffffu}) {
        device.set_queue(static_cast<u16>(queue), 16, 1, 2, 3);
        verdict.equal("a queue that is not there", in16(device.at(service::wire::common::queue_size)), 0);
        verdict.equal("its descriptors", in32(device.at(service::wire::common::queue_descriptors)), 0);
    }
}

void too_late(Verdict& verdict)
{
    verdict.that("a driver", disk.begin());
    // Everything of a running queue, and the features.
    other.clear();
    device.set_queue(0, 4, address_of(other.descriptors), address_of(&other.available), address_of(&other.used));
    out16(device.at(service::wire::common::queue_enable), 0);
    device.accept(~0ull);
    for (u32 offset = VirtioDevice::configuration; offset < VirtioDevice::configuration + 64; offset += 4)
        out32(device.at(offset), 0xffff'ffff);
    device.set_status(acknowledge);                   // bits are only added
    verdict.equal("its size", in16(device.at(service::wire::common::queue_size)), 16);
    verdict.equal("its descriptors", in32(device.at(service::wire::common::queue_descriptors)), static_cast<u32>(address_of(disk.ring.descriptors)));
    verdict.equal("its capacity", device.capacity(), 2048);
    verdict.equal("a request", disk.request(BlockType::write, 0, data, sizeof data), disk.ok);
    verdict.equal("nothing on the other ring", other.used.index, 0);
    // Widths and places that no register has.
    for (u32 offset = 0; offset < 0xc0; offset++) {
        if (offset == service::wire::common::device_status)
            continue;                                 // a byte of 0 there is a reset
        static_cast<void>(in8(device.at(offset)));
        static_cast<void>(in16(device.at(offset)));
        static_cast<void>(in32(device.at(offset)));
        if (offset < service::wire::common::queue_select || offset > service::wire::common::queue_notify_offset)
            out16(device.at(offset), 0xffff);
        out32(device.at(offset), 0xffff'ffff);
    }
    for (u32 offset = 0xc0; offset < 0x100; offset++) {
        static_cast<void>(in32(device.at(offset)));
        out8(device.at(offset), 0xff);
    }
    out16(device.at(service::wire::common::queue_select), 0);
    verdict.equal("a request after all that", disk.request(BlockType::read, 0, data, sizeof data), disk.ok);
}

void interrupts(Verdict& verdict)
{
    constexpr u8 vector = 0x61;
    count_interrupts(vector);
    u32 const before = counted(vector);
    verdict.that("a driver", disk.begin());
    device.enable_vectors(true);
    // Not an address of an APIC; other processors; deliveries a device cannot ask for; vectors that are exceptions.
    struct { u64 address; u32 data; } const wrong[] = {
        {0, vector}, {0x1000, vector}, {0xfec0'0000, vector}, {0xffff'ffff'ffff'fffc, vector}, {0xfee0'1000, vector},
        {0xfee0'0000, 0x200 | vector}, {0xfee0'0000, 0x400}, {0xfee0'0000, 0x500}, {0xfee0'0000, 0x600 | vector}, {0xfee0'0000, 3}, {0xfee0'0000, 14},
    };
    for (auto const& one : wrong) {
        device.set_vector(1, one.address, one.data);
        device.use_vector(0, 1);
        verdict.equal("a request", disk.request(BlockType::read, 0, data, 512), disk.ok);
        sti_nop_cli();
        verdict.equal("no interrupt", counted(vector), before);
    }
    // Vectors the table does not have.
    for (u32 const number : {2u, 3u, 0x7fffu, 0xfffeu}) {
        device.use_vector(0, static_cast<u16>(number));
        verdict.equal("no such vector", in16(device.at(service::wire::common::queue_vector)), 0xffff);
    }
    for (u64 offset = 0; offset < 4096; offset += 4)
        if (offset >= 32)
            write<u32>(device.table() + offset, 0xffff'ffff);
    // Masked ones are kept, once, and come when the mask goes: of the vector, of the function.
    device.use_vector(0, 1);
    device.set_vector(1, 0xfee0'0000, vector, true);
    for (u32 i = 0; i < 3; i++)
        verdict.equal("a request", disk.request(BlockType::read, 0, data, 512), disk.ok);
    sti_nop_cli();
    verdict.equal("masked", counted(vector), before);
    verdict.equal("pending", read<u32>(device.table() + 0x800), 2);
    device.enable_vectors(true, true);
    device.set_vector(1, 0xfee0'0000, vector, false);
    sti_nop_cli();
    verdict.equal("all masked", counted(vector), before);
    device.enable_vectors(true);
    sti_nop_cli();
    verdict.equal("unmasked: once", counted(vector), before + 1);
    verdict.equal("no longer pending", read<u32>(device.table() + 0x800), 0);
    device.enable_vectors(false);
}

// Capabilities, the window in configuration space, and BARs.
void configuration_space(Verdict& verdict)
{
    u32 const ports = device.read_pci(0x10), memory = device.read_pci(0x14);
    u32 capability = device.read_pci(0x34) & 0xff, window = 0, count = 0;
    for (; capability && count < 48; count++) {
        u32 const word = device.read_pci(capability);
        if ((word & 0xff) == 0x09 && word >> 24 == 5)
            window = capability;
        capability = word >> 8 & 0xff;
    }
    verdict.equal("capabilities", count, 6);
    verdict.that("a driver", disk.begin());
    for (u32 const place : {0u, 1u, 0x14u, 0x37u, 0x38u, 0x80u, 0xbeu, 0xc0u, 0xffu, 0x100u, 0xffff'fffcu})
        for (u32 const length : {0u, 1u, 2u, 3u, 4u, 5u, 8u, 0xffff'ffffu})
            for (u32 const bar : {0u, 1u, 5u, 0xffu}) {
                device.write_pci(window + 4, bar);
                device.write_pci(window + 8, place);
                device.write_pci(window + 12, length);
                static_cast<void>(device.read_pci(window + 16));
                if (place != 0x14)
                    device.write_pci(window + 16, 0xffff'ffff);
            }
    device.write_pci(window + 4, 0);
    device.write_pci(window + 8, service::wire::common::queue_count);
    device.write_pci(window + 12, 2);
    out32(0xcf8, 0x8000'0000 | device.slot() << 11 | (window + 16));
    verdict.equal("the number of queues, through the window", in16(0xcfc), 1);
    // Everything that can be written, and back. The BARs say their sizes.
    for (u32 offset = 0; offset < 256; offset += 4)
        device.write_pci(offset, 0xffff'ffff);
    verdict.equal("256 ports", device.read_pci(0x10), 0xff01);
    verdict.equal("a page", device.read_pci(0x14), 0xffff'f000);
    device.write_pci(0x10, ports);
    device.write_pci(0x14, memory);
    device.write_pci(0x04, 7);
    device.enable_vectors(false);
    verdict.that("a driver after all that", disk.begin());
    verdict.equal("a request after all that", disk.request(BlockType::read, 0, data, sizeof data), disk.ok);
}

} // namespace

void check(Verdict& verdict)
{
    verdict.that("there is a disk", disk.find());
    apic::enable();
    u64 const begin = rdtsc();
    do {
        too_early(verdict);
        too_late(verdict);
        interrupts(verdict);
        configuration_space(verdict);
    } while (rdtsc() - begin < run_ticks);
}

} // namespace kennel::guest
