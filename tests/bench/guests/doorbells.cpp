// SPDX-License-Identifier: Apache-2.0
//
// See doorbells.hpp.
#include "tests/bench/guests/doorbells.hpp"
#include "tests/bench/guests/handlers.hpp"
#include "tests/machine/guest/traps.hpp"
#include "tests/machine/guest/verdict.hpp"

namespace kennel::guest {

namespace {

// As in linux/kvm_client.c.
constexpr u8  message_vector = 0x62;
constexpr u16 peer_bit = 0x700, peer_answer = 0x701, peer_read = 0x702, peer_wake = 0x703;
constexpr u32 block_bytes = 4096, identity_bytes = 20, sector_bytes = 512;

} // namespace

void Doorbells::find()
{
    raw_gate(message_vector, bench_arrival);
    if (!memory_.find())
        return;
    has_devices_ = true;
    begin(memory_);
    memory_.device.set_vector(0, 0xfee00000, message_vector);
    memory_.device.enable_vectors(true);
    memory_.device.use_vector(0, 0);
}

void Doorbells::begin(BlockDriver<ring_size>& driver)
{
    if (!driver.begin())
        fail("a block device refuses", driver.device.status(), 0);
}

void Doorbells::measure_bit(Samples& samples)
{
    if (!has_devices_)
        return samples.measure("doorbell", [] { out8(peer_bit, 0); });
    if (!drive_.find(memory_.device.slot() + 1))
        fail("no second block device", 0, 1);
    begin(drive_);
    // A drive needs longer to seek than all these rings take, which are then the only thing that happens.
    drive_.prepare(BlockType::read, 0, data_, sizeof data_);
    drive_.ring.offer(0);
    drive_.device.kick();
    samples.measure("doorbell", [&] { drive_.device.kick(); });
    if (!drive_.is_quiet())
        fail("the drive was too quick for the doorbells", 1, 0);
    if (!drive_.await(1) || drive_.status != BlockDriver<ring_size>::ok)
        fail("a read of the drive", drive_.status, 0);
}

void Doorbells::measure_wake(Samples& samples)
{
    if (has_devices_)
        samples.measure("doorbell-wake", [&] { memory_.device.kick(); });
    else
        samples.measure("doorbell-wake", [] { out8(peer_wake, 0); });
}

template<class Ring> void Doorbells::measure_interrupt(Samples& samples, char const* name, Ring&& ring)
{
    auto const once = [&] {
        bench_arrived = 0;
        u64 const start = clock_now();
        ring();
        cli();
        while (bench_arrived == 0) {
            sti_hlt();
            cli();
        }
        sti();
        return bench_arrived - start;
    };
    for (u32 i = 0; i < 8; i++)
        once();
    samples.begin();
    for (u32 i = 0; i < Samples::rounds; i++)
        samples.add(once());
    samples.end(name);
}

void Doorbells::measure_answer(Samples& samples)
{
    constexpr char name[] = "doorbell-to-interrupt";
    if (!has_devices_)
        return measure_interrupt(samples, name, [] { out8(peer_answer, 0); });
    memory_.prepare(BlockType::get_id, 0, data_, identity_bytes);
    measure_interrupt(samples, name, [&] {
        memory_.ring.offer(0);
        memory_.device.kick();
    });
    if (memory_.status != BlockDriver<ring_size>::ok)
        fail("a request for the identity", memory_.status, 0);
}

void Doorbells::measure_read(Samples& samples)
{
    constexpr char name[] = "doorbell-read-4k";
    if (!has_devices_)
        return measure_interrupt(samples, name, [] { out8(peer_read, 0); });
    memory_.prepare(BlockType::read, block_bytes / sector_bytes, data_, block_bytes);
    measure_interrupt(samples, name, [&] {
        memory_.ring.offer(0);
        memory_.device.kick();
    });
    if (memory_.status != BlockDriver<ring_size>::ok)
        fail("a read", memory_.status, 0);
}

} // namespace kennel::guest
