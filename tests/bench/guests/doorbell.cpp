// SPDX-License-Identifier: Apache-2.0
//
// What a doorbell costs: rung and answered by an interrupt, and rung with nothing to do. On Kennel it is the notify register of a
// virtio block device and the answer that of "get ID", the request with the least work in it, its ring included. Where there is
// no such device it is the two ports of tests/bench/kvm/client.c: an eventfd nobody reads, and one a thread answers by an interrupt.
#include "drivers/virtio/wire.hpp"
#include "tests/bench/guests/samples.hpp"
#include "tests/machine/guest/apic.hpp"
#include "tests/machine/guest/traps.hpp"
#include "tests/machine/guest/verdict.hpp"

extern "C" {
void bench_answered();
extern kennel::u64 volatile bench_arrived;
kennel::u64 volatile bench_arrived = 0;
}

asm(R"(
    .globl bench_answered
bench_answered:
    push %rax
    push %rdx
    push %rcx
    rdtsc
    shl $32, %rdx
    or %rdx, %rax
    mov %rax, bench_arrived(%rip)
    xor %eax, %eax
    xor %edx, %edx
    mov $0x80b, %ecx
    wrmsr
    pop %rcx
    pop %rdx
    pop %rax
    iretq
)");

namespace kennel::guest {

constinit char const* const title = "doorbell";

namespace {

namespace wire = service::wire;

constexpr u8  message_vector = 0x62;                                   // as in tests/bench/kvm/client.c
constexpr u16 peer_bell = 0x700, peer_answered_bell = 0x701;
constexpr u32 rounds = 201, ring_size = 16;

// ---- PCI, by the old ports ----

u32  read_config(u32 device, u32 offset) { out32(0xcf8, 1u << 31 | device << 11 | offset); return in32(0xcfc); }
void write_config(u32 device, u32 offset, u32 value) { out32(0xcf8, 1u << 31 | device << 11 | offset); out32(0xcfc, value); }

struct Registers { u16 common = 0, notify = 0; };

// Bus master, interrupts as messages of `message_vector` in entry 0, and where the registers are. Port BARs only: others are not for doorbells.
Registers set_up(u32 device)
{
    write_config(device, 4, 7);
    Registers found;
    for (u32 at = read_config(device, 0x34) & 0xfc; at; at = read_config(device, at) >> 8 & 0xfc) {
        u32 const head = read_config(device, at);
        if ((head & 0xff) == 0x11) {                           // MSI-X
            u32 const table = read_config(device, at + 4);
            u64 const entry = (read_config(device, 0x10 + 4 * (table & 7)) & ~15u) + (table & ~7u);
            write<u32>(entry, 0xfee00000);
            write<u32>(entry + 4, 0);
            write<u32>(entry + 8, message_vector);
            write<u32>(entry + 12, 0);
            write_config(device, at, head | 1u << 31);
        }
        u32 const bar = read_config(device, 0x10 + 4 * (read_config(device, at + 4) & 7));
        if ((head & 0xff) != 0x09 || !(bar & 1))
            continue;
        u16 const port = static_cast<u16>((bar & ~3u) + read_config(device, at + 8));
        if (head >> 24 == static_cast<u32>(wire::Structure::common))
            found.common = port;
        if (head >> 24 == static_cast<u32>(wire::Structure::notify))
            found.notify = port;
    }
    return found;
}

// ---- one queue, virtio 1.2, "Split Virtqueues" ----

struct Descriptor { u64 address; u32 length; u16 flags, next; };
struct Available { u16 flags, index, ring[ring_size]; };
struct Used { u16 flags, index; struct { u32 id, length; } ring[ring_size]; };
alignas(16) Descriptor descriptors[ring_size];
alignas(16) Available volatile available;
alignas(16) Used volatile used;
struct { u32 type, reserved; u64 sector; } request;
u8 identity[20];
u8 volatile request_status;

bool start(Registers const& at)
{
    using namespace wire;
    auto const status = [&](u8 value) { out8(at.common + common::device_status, value); };
    status(0);
    status(status::acknowledge);
    status(status::acknowledge | status::driver);
    out32(at.common + common::driver_feature_select, 1);
    out32(at.common + common::driver_feature, 1);              // VERSION_1
    constexpr u8 agreed = status::acknowledge | status::driver | status::features_ok;
    status(agreed);
    if (!(in8(at.common + common::device_status) & status::features_ok))
        return false;
    out16(at.common + common::queue_select, 0);
    out16(at.common + common::queue_size, ring_size);
    out16(at.common + common::queue_vector, 0);
    auto const address = [&](u16 offset, void const volatile* what) {
        out32(static_cast<u16>(at.common + offset), static_cast<u32>(reinterpret_cast<u64>(what)));
        out32(static_cast<u16>(at.common + offset + 4), 0);
    };
    address(common::queue_descriptors, descriptors);
    address(common::queue_driver, &available);
    address(common::queue_device, &used);
    out16(at.common + common::queue_enable, 1);
    status(agreed | status::driver_ok);
    constexpr u32 get_id = 8;                                  // "Device Operation" of the block device
    constexpr u16 more = 1, to_write = 2;
    request = {get_id, 0, 0};
    descriptors[0] = {reinterpret_cast<u64>(&request), 16, more, 1};
    descriptors[1] = {reinterpret_cast<u64>(identity), sizeof identity, to_write | more, 2};
    descriptors[2] = {reinterpret_cast<u64>(&request_status), 1, to_write, 0};
    return true;
}

// ---- the measurements ----

Samples samples;

// From before the doorbell to the first instruction of the handler.
template<class Ring> void measure_answer(Ring&& ring)
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
    for (u32 i = 0; i < rounds; i++)
        samples.add(once());
    samples.end("doorbell-to-interrupt", 0);
}

u32 find_block_device()
{
    for (u32 device = 1; device < 32; device++)
        if (read_config(device, 0) == (u32{wire::vendor} | static_cast<u32>(wire::first_device + static_cast<u16>(wire::DeviceType::block)) << 16))
            return device;
    return 0;
}

} // namespace

void check(Verdict&)
{
    apic::enable();
    raw_gate(message_vector, bench_answered);
    samples.learn_overhead();
    sti();
    u32 const device = find_block_device();
    if (device == 0) {
        samples.measure("doorbell", rounds, [] { out8(peer_bell, 0); });
        measure_answer([] { out8(peer_answered_bell, 0); });
        power_off();
    }
    Registers const at = set_up(device);
    if (!at.common || !at.notify || !start(at))
        fail("the block device cannot be started", at.common, at.notify);
    samples.measure("doorbell-nothing-to-do", rounds, [&] { out16(at.notify, 0); });
    measure_answer([&] {
        available.ring[available.index % ring_size] = 0;
        asm volatile("" ::: "memory");
        available.index = available.index + 1;
        out16(at.notify, 0);
    });
    if (request_status != 0)
        fail("a request failed", request_status, 0);
    power_off();
}

} // namespace kennel::guest
