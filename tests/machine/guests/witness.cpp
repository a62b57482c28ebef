// SPDX-License-Identifier: Apache-2.0
//
// Runs beside guests that misbehave, on the same CPU and with the same weight, and notices what an honest guest would: its
// computing, its disk, its network, its devices, its share of the time, and how long it is kept waiting. Its command line says
// guests=N: so many share this CPU.
#include "tests/machine/guest/net.hpp"
#include "tests/machine/guest/verdict.hpp"

namespace kennel::guest {

constinit char const* const title = "witness: same results, disk and devices, a quiet network, its share of the time, and never long without it";

namespace {

constexpr u64 run_ticks = 80'000'000;
constexpr u32 block_bytes = 4096, devices = 16, words = 16;

BlockDriver<8> disk;
NetDriver<16> card;                                   // on the witnesses' network: they send nothing until they have ended their work
u64 pattern[block_bytes / 8], back[block_bytes / 8];

// The same number each time it is computed from the same seed.
u64 compute(u64 seed, u64* into)
{
    u64 x = seed * 0x9e37'79b9'7f4a'7c15 + 1;
    for (u32 i = 0; i < block_bytes / 8; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        into[i] = x;
    }
    return x;
}

// All of PCI configuration space that says which devices there are.
void look(u32 (&seen)[devices][words])
{
    for (u32 slot = 0; slot < devices; slot++)
        for (u32 word = 0; word < words; word++) {
            out32(0xcf8, 0x8000'0000 | slot << 11 | word * 4);
            seen[slot][word] = in32(0xcfc);
        }
}

u32 before[devices][words], after[devices][words];

// Linux's boot protocol, "cmd_line_ptr". There may be other words before ours.
u32 guests_here()
{
    constexpr u64 command_line = 0x228, longest = 256;
    constexpr char key[] = "guests=";
    auto const* const text = reinterpret_cast<char const*>(static_cast<u64>(read<u32>(boot_parameters + command_line)));
    for (usize i = 0; text && i < longest && text[i]; i++)
        if (!__builtin_memcmp(text + i, key, sizeof key - 1))
            return static_cast<u32>(text[i + sizeof key - 1] - '0');
    return 2;
}

} // namespace

void check(Verdict& verdict)
{
    verdict.that("there is a disk", disk.find());
    u64 const blocks = disk.device.capacity() * 512 / block_bytes;
    verdict.that("of at least 16 blocks", blocks >= 16);
    verdict.that("the driver is accepted", disk.begin());
    verdict.that("there is a card", card.find() && card.begin());
    look(before);
    CpuidWords const clock = cpuid(0x15);
    u64 const slice = static_cast<u64>(clock.ecx) * clock.ebx / clock.eax / 200;     // 5 ms

    u64 const begin = rdtsc();
    u64 rounds = 0, least = ~0ull, most = 0, own = 0, last = begin;
    // Every block is written in one round and read in a later one, so that nobody can change it in between unnoticed.
    for (; last - begin < run_ticks; rounds++) {
        u64 const block = rounds % blocks, first = rounds / blocks;
        if (first) {
            verdict.equal("a read", disk.request(BlockType::read, block * 8, back, block_bytes), disk.ok);
            u64 const expected = compute(rounds - blocks, pattern);
            verdict.equal("the block's last word", back[block_bytes / 8 - 1], expected);
            verdict.equal("the block", static_cast<u64>(__builtin_memcmp(back, pattern, block_bytes)), 0);
        } else {
            compute(rounds, back);
            compute(rounds, pattern);
            verdict.equal("computed twice", static_cast<u64>(__builtin_memcmp(back, pattern, block_bytes)), 0);
        }
        compute(rounds, pattern);
        verdict.equal("a write", disk.request(BlockType::write, block * 8, pattern, block_bytes), disk.ok);
        u64 const now = rdtsc(), took = now - last;
        last = now;
        least = took < least ? took : least;
        most = took > most ? took : most;
        own += took < 4 * least ? took : least;       // a turn of somebody else's is much longer than a round
    }
    u32 const guests = guests_here();
    u64 const share = own * 100 / (last - begin), fair = 80 / guests;
    verdict.equal("its share of the time is four fifths of a fair one, or more (per cent)", share >= fair ? fair : share, fair);
    // A turn of each of the others, and what each makes its service do at the end of that.
    u64 const patience = 2 * (guests - 1) * slice + slice;
    verdict.equal("the longest wait (ticks)", most <= patience ? patience : most, patience);
    look(after);
    verdict.equal("the same devices", static_cast<u64>(__builtin_memcmp(before, after, sizeof before)), 0);
    verdict.equal("its disk never asked for a reset", disk.device.needs_reset(), false);
    verdict.equal("frames on its network, where nobody sends", card.waiting(), 0);
    verdict.that("but what is sent would come", card.service_answers(1));
}

} // namespace kennel::guest
