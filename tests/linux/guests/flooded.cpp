// SPDX-License-Identifier: Apache-2.0
#include "tests/linux/guests/busy.hpp"

namespace kennel::guest {

constinit char const* const title = "a guest has half of its CPU or more, whatever comes in from the wire";

namespace {

constexpr u32 windows_wanted = 20, most_windows = 3000;

void compute()
{
    for (u32 i = 0; i < 100; i++)
        asm volatile("");
}

// Of so many ticks, per cent that the guest had: a round that took much longer than others was interrupted.
u64 share_of(u64 ticks)
{
    static u64 least = ~0ull;
    u64 own = 0, last = rdtsc();
    u64 const begin = last;
    while (last - begin < ticks) {
        compute();
        u64 const now = rdtsc(), took = now - last;
        last = now;
        least = took < least ? took : least;
        own += took < 4 * least ? took : least;
    }
    return own * 100 / (last - begin);
}

} // namespace

// The flood comes when it comes: it is here when the guest has not all of its time. Each window is a tenth of a second.
void check(Verdict& verdict)
{
    u64 const window = (busy_until() - rdtsc()) / 30;
    u32 flooded = 0;
    for (u32 i = 0; i < most_windows && flooded < windows_wanted; i++) {
        u64 const share = share_of(window);
        flooded += share < 90;
        verdict.equal("per cent of its time, or more", share < 50 ? share : 50, 50);
    }
    verdict.equal("windows with a flood", flooded, windows_wanted);
}

} // namespace kennel::guest
