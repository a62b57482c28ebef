// SPDX-License-Identifier: Apache-2.0
#include "hv/address.hpp"
#include <concepts>
#include <doctest/doctest.h>

using namespace kennel;

// What a guest says is no host address, and a number is neither.
static_assert(!std::convertible_to<GuestPhysical, HostPhysical> && !std::convertible_to<HostPhysical, GuestPhysical>);
static_assert(!std::convertible_to<u64, HostPhysical> && !std::convertible_to<HostPhysical, u64>);
static_assert(!std::convertible_to<HostPhysical, Bytes>);

TEST_CASE("address: a range within another, also at the ends of the number space")
{
    CHECK(range_within(10, 5, 10, 5));
    CHECK(range_within(12, 0, 10, 5));
    CHECK_FALSE(range_within(9, 1, 10, 5));
    CHECK_FALSE(range_within(14, 2, 10, 5));
    CHECK_FALSE(range_within(10, ~0ull, 10, 5));        // base + size wraps
    CHECK_FALSE(range_within(~0ull, 2, 10, 5));
    CHECK(range_within(~0ull, 0, ~0ull - 4, 4));
    CHECK(range_within(5, ~0ull - 5, 0, ~0ull));
}
