// SPDX-License-Identifier: Apache-2.0
//
// Work that nobody's turn pays for: a share of the time, and no more than a burst at once.
#include "drivers/pace.hpp"
#include <doctest/doctest.h>

using namespace kennel;
using kennel::service::Pace;

TEST_CASE("pace: some work at once, then a share of the time, and rest is not saved up")
{
    constexpr u64 share = 10, burst = 1000, piece = 10;
    Pace pace{share, burst};
    u64 now = 50'000, done = 0;
    auto const work = [&] {
        for (; pace.allows(now); now += piece, done += piece)
            pace.worked(now, now + piece);
    };
    work();
    CHECK(done >= burst);
    CHECK(done <= burst * share / (share - 1) + piece);       // while it works, some of it has had its time
    u64 const begin = now;
    for (done = 0; now - begin < 1'000'000; now = pace.next())
        work();
    CHECK(done * share <= now - begin + share * piece);
    CHECK(done * share >= (now - begin) * 9 / 10);
    now += 1'000'000;
    done = 0;
    work();
    CHECK(done <= burst * share / (share - 1) + piece);
}
