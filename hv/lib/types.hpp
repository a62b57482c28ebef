// SPDX-License-Identifier: Apache-2.0
//
// Fixed-width integers by the names this tree uses everywhere.
#pragma once
#include <cstddef>
#include <cstdint>

namespace kennel {

using u8  = std::uint8_t;
using u16 = std::uint16_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;
using s64 = std::int64_t;
using usize = std::size_t;

inline constexpr u64 page_size  = 4096;              // bytes
inline constexpr u64 large_page = 2u * 1024 * 1024;  // bytes; the granularity of extents

} // namespace kennel
