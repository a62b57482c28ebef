// SPDX-License-Identifier: Apache-2.0
//
// Some bits of a word, by the numbers the manual prints and with the type of what they hold:
//   struct Interruption { using Vector = Field<7, 0, u8>; using Kind = Field<10, 8, EventKind>; using Valid = Field<31, 31, bool>; };
// A field holds nothing itself; it reads and makes its bits of a word. All of it is shifts and masks known when compiling.
#pragma once
#include "hv/lib/types.hpp"
#include <concepts>
#include <type_traits>

namespace kennel {

template<unsigned high, unsigned low, class T = u64>
struct Field {
    static_assert(low <= high && high < 64, "bits of a word of 64");
    static_assert(std::integral<T> || std::is_enum_v<T>);

    using Value = T;
    static constexpr unsigned lowest = low;
    static constexpr unsigned bits   = high - low + 1;
    static constexpr u64      mask   = (~0ull >> (63 - high)) & (~0ull << low);

    static_assert(std::is_same_v<T, bool> ? bits == 1 : bits <= 8 * sizeof(T), "the value type does not fit the field");

    static constexpr T get(u64 word) { return static_cast<T>((word & mask) >> low); }

    // A word with only this field set: fields are joined by `|`. Bits of `value` beyond the field are dropped, never spilled into a neighbour.
    static constexpr u64 of(T value) { return (static_cast<u64>(value) << low) & mask; }
};

} // namespace kennel
