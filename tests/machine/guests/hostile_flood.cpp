// SPDX-License-Identifier: Apache-2.0
//
// Keeps every rule and asks for too much: gigabytes with one kick, kicks without work, resets without end, interrupts nobody
// takes. It may cost only this guest its own time.
#include "tests/machine/guest/verdict.hpp"
#include "tests/machine/guest/virtio.hpp"

namespace kennel::guest {

constinit char const* const title = "hostile flood: gigabytes at once, storms of kicks, resets and interrupts";

namespace {

constexpr u64 run_ticks = 100'000'000;
constexpr u16 size = 256;

BlockDriver<size> disk;
alignas(4096) u8 data[256 * 1024];
alignas(16) wire::Descriptor table[size];

// Each of 256 requests reads the disk's first quarter of a megabyte 63 times over, if it could: it cannot, and is refused. Or
// once, which is 64 MiB for one kick.
void ask_for_gigabytes(Verdict& verdict)
{
    for (u32 const pieces : {1u, 63u}) {
        verdict.that("a driver with indirect tables", disk.begin(wire::feature::indirect_descriptors));
        disk.prepare(BlockType::read, 0, data, sizeof data);
        table[0] = {address_of(&disk.header), sizeof disk.header, wire::descriptor::next, 1};
        for (u16 i = 1; i <= pieces; i++)
            table[i] = {address_of(data), sizeof data, wire::descriptor::next | wire::descriptor::write, static_cast<u16>(i + 1)};
        table[pieces + 1] = {address_of(&disk.status), 1, wire::descriptor::write, 0};
        disk.ring.descriptors[0] = {address_of(table), (pieces + 2) * 16, wire::descriptor::indirect, 0};
        for (u32 i = 0; i < size; i++)
            disk.ring.offer(0);
        disk.device.kick();
        verdict.that("all come back, in time", disk.await(size));
        verdict.equal("as they should", disk.status, disk.device.capacity() * 512 >= sizeof data * pieces ? disk.ok : disk.io_error);
    }
}

void kick_for_nothing(Verdict& verdict)
{
    verdict.that("a driver", disk.begin());
    for (u32 i = 0; i < 2000; i++)
        disk.device.kick();
    verdict.that("nothing came of it", disk.is_quiet() && !disk.device.needs_reset());
    verdict.equal("a request after it", disk.request(BlockType::read, 0, data, 512), disk.ok);
}

void reset_for_ever(Verdict& verdict)
{
    for (u32 i = 0; i < 100; i++) {
        verdict.that("a driver", disk.begin());
        disk.prepare(BlockType::read, 0, data, sizeof data);
        disk.ring.offer(0);
        disk.device.kick();
        disk.device.set_status(0);
        disk.device.kick();
    }
}

// Interrupts are off here: they stay pending, one bit, however many are sent.
void interrupt_for_nothing(Verdict& verdict)
{
    verdict.that("a driver", disk.begin());
    disk.device.set_vector(1, 0xfee0'0000, 0x55);
    disk.device.use_vector(0, 1);
    disk.device.enable_vectors(true);
    for (u32 i = 0; i < 500; i++)
        verdict.equal("a request", disk.request(BlockType::read, 0, data, 512), disk.ok);
    disk.device.enable_vectors(false);
}

} // namespace

void check(Verdict& verdict)
{
    verdict.that("there is a disk", disk.find());
    u64 const begin = rdtsc();
    do {
        kick_for_nothing(verdict);
        ask_for_gigabytes(verdict);
        reset_for_ever(verdict);
        interrupt_for_nothing(verdict);
    } while (rdtsc() - begin < run_ticks);
}

} // namespace kennel::guest
