// SPDX-License-Identifier: Apache-2.0
//
// Addresses by what they mean. None converts into another by itself: a guest's number can never reach a place
// where a host address is wanted without passing through a check that says so.
#pragma once
#include "hv/lib/types.hpp"
#include <compare>

namespace kennel {

struct HostPhysical  { u64 value = 0; auto operator<=>(HostPhysical const&) const = default; };
struct GuestPhysical { u64 value = 0; auto operator<=>(GuestPhysical const&) const = default; };

struct Bytes { u64 value = 0; auto operator<=>(Bytes const&) const = default; };

constexpr HostPhysical  operator+(HostPhysical a, u64 bytes)  { return {a.value + bytes}; }
constexpr GuestPhysical operator+(GuestPhysical a, u64 bytes) { return {a.value + bytes}; }

constexpr bool is_aligned(u64 value, u64 to) { return (value & (to - 1)) == 0; }   // to: a power of two

// [base, base + size) lies inside [outer, outer + outer_size), without wrapping anywhere.
constexpr bool range_within(u64 base, u64 size, u64 outer, u64 outer_size)
{
    return base >= outer && size <= outer_size && base - outer <= outer_size - size;
}

} // namespace kennel
