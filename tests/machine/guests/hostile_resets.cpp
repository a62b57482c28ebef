// SPDX-License-Identifier: Apache-2.0
//
// Resets its disk while the drive behind it works, at every moment and by every way, and uses the memory of that time for something else:
// nothing of it may come later, into buffers, into rings, or as an interrupt. Its disk must be one that answers later: that is checked, too.
#include "tests/machine/guest/apic.hpp"
#include "tests/machine/guest/traps.hpp"
#include "tests/machine/guest/verdict.hpp"
#include "tests/machine/guest/virtio.hpp"

namespace kennel::guest {

constinit char const* const title = "hostile resets: with requests in flight, again and again; nothing of them comes after it";

namespace {

constexpr u64 run_ticks = 100'000'000;
constexpr u16 size = 64, requests = size / 3;
constexpr u32 bytes = 4096, sectors = bytes / 512;
constexpr u8 old_vector = 0x62, new_vector = 0x63, canary = 0xc7;

// Two drivers of one device, each with rings of its own: the first is the one that is interrupted.
BlockDriver<size> old, fresh;
struct Request { BlockHeader header; u8 status; };
Request asked[requests];
alignas(4096) u8 data[requests][bytes];
alignas(4096) u8 block[bytes];
u64 resets_that_waited = 0;

bool is_canary(void const* object, usize length)
{
    auto const* const byte = static_cast<u8 const*>(object);
    for (usize i = 0; i < length; i++)
        if (byte[i] != canary)
            return false;
    return true;
}

void use(BlockDriver<size> const& driver, u8 vector)
{
    driver.device.set_vector(1, 0xfee0'0000, vector);
    driver.device.use_vector(0, 1);
    driver.device.enable_vectors(true);
}

// All at once, each with buffers of its own. What is written is what the disk holds already, so that it does not matter how far it comes.
void begin_requests(Verdict& verdict, BlockType type)
{
    verdict.that("a driver", old.begin());
    use(old, old_vector);
    __builtin_memset(data, 0, sizeof data);
    for (u16 i = 0; i < requests; i++) {
        u16 const at = static_cast<u16>(3 * i);
        auto* const d = old.ring.descriptors + at;
        asked[i] = {{static_cast<u32>(type), 0, static_cast<u64>(i) * sectors}, old.nothing};
        d[0] = {address_of(&asked[i].header), sizeof asked[i].header, wire::descriptor::next, static_cast<u16>(at + 1)};
        d[1] = {address_of(data[i]), bytes, static_cast<u16>(wire::descriptor::next | (type == BlockType::read ? wire::descriptor::write : 0)), static_cast<u16>(at + 2)};
        d[2] = {address_of(&asked[i].status), 1, wire::descriptor::write, 0};
        old.ring.offer(at);
    }
    old.device.kick();
}

enum class Manner : u8 { plain, twice, with_kicks, without_waiting, count };

// The driver writes 0, does what it should not, and sees the reset's end.
void reset(Verdict& verdict, Manner manner)
{
    VirtioDevice const& device = old.device;
    device.set_status(0);
    resets_that_waited += device.status() != 0;
    if (manner == Manner::twice)
        device.set_status(0);
    if (manner == Manner::with_kicks)
        for (u32 i = 0; i < 10; i++)
            device.kick();
    if (manner == Manner::without_waiting) {
        static_cast<void>(device.negotiate(0));
        device.set_queue(0, fresh.ring);
        device.drive();
        device.kick();
    }
    verdict.that("the reset's end", device.reset());
}

void interrupted(Verdict& verdict, BlockType type, u16 done_before, Manner manner)
{
    begin_requests(verdict, type);
    verdict.that("some are done", old.await(done_before));
    reset(verdict, manner);
    sti_nop_cli();                                    // what was sent until now
    u32 const old_interrupts = counted(old_vector), new_interrupts = counted(new_vector);
    __builtin_memset(&old.ring, canary, sizeof old.ring);
    __builtin_memset(asked, canary, sizeof asked);
    __builtin_memset(data, canary, sizeof data);
    // The drive does these behind whatever it still had to do.
    verdict.that("another driver", fresh.begin());
    use(fresh, new_vector);
    for (u64 i = 0; i < 4; i++) {
        u64 const sector = (requests + i) * sectors;
        __builtin_memset(block, static_cast<u8>(0x30 + i), sizeof block);
        verdict.equal("a write after it", fresh.request(BlockType::write, sector, block, bytes), fresh.ok);
        __builtin_memset(block, 0, sizeof block);
        verdict.equal("a read after it", fresh.request(BlockType::read, sector, block, bytes), fresh.ok);
        verdict.equal("what was written", block[0] | static_cast<u32>(block[bytes - 1]) << 8, (0x30 + i) * 0x101);
    }
    sti_nop_cli();
    verdict.equal("interrupts of the old time", counted(old_vector), old_interrupts);
    verdict.that("interrupts of the new one", counted(new_vector) != new_interrupts);
    verdict.that("nothing in the old buffers", is_canary(data, sizeof data));
    verdict.that("nothing in the old headers and status bytes", is_canary(asked, sizeof asked));
    verdict.that("nothing in the old rings", is_canary(&old.ring, sizeof old.ring));
}

} // namespace

void check(Verdict& verdict)
{
    verdict.that("there is a disk", old.find());
    fresh.device = old.device;
    apic::enable();
    count_interrupts(old_vector);
    count_interrupts(new_vector);
    u64 const begin = rdtsc();
    do {
        for (BlockType const type : {BlockType::read, BlockType::write})
            for (u16 const done_before : {u16{0}, u16{1}, static_cast<u16>(requests / 2)})
                for (u8 manner = 0; manner < static_cast<u8>(Manner::count); manner++)
                    interrupted(verdict, type, done_before, static_cast<Manner>(manner));
    } while (rdtsc() - begin < run_ticks);
    verdict.that("requests were in flight at a reset", resets_that_waited != 0);
}

} // namespace kennel::guest
