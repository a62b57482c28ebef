// SPDX-License-Identifier: Apache-2.0
//
// The Internet checksum (RFC 1071): a ones' complement sum of 16-bit words. Sums are kept in the processor's byte order
// throughout, which RFC 1071, "Byte Order Independence", allows; store() puts one where it belongs.
#pragma once
#include "drivers/net/address.hpp"
#include <cstring>
#include <span>

namespace kennel::service::net {

// Of words in memory order. Not folded: any number of these may be added with plus().
struct Sum { u64 value = 0; };

constexpr Sum plus(Sum a, Sum b)
{
    u64 const sum = a.value + b.value;
    return {sum + (sum < a.value)};                   // the end-around carry
}

// To 16 bits; 0xffff for a range whose checksum is right. Never 0 unless every word was.
constexpr u16 folded(Sum sum)
{
    u64 rest = (sum.value >> 32) + (sum.value & 0xffff'ffff);
    rest = (rest >> 32) + (rest & 0xffff'ffff);
    rest = (rest >> 16) + (rest & 0xffff);
    rest = (rest >> 16) + (rest & 0xffff);
    return static_cast<u16>((rest >> 16) + (rest & 0xffff));
}

// The sum of bytes that begin at an even place of what is summed.
Sum sum_of(std::span<u8 const> bytes);

// What a sum is worth at an odd place: its bytes change sides.
constexpr Sum at_odd_place(Sum sum)
{
    u16 const word = folded(sum);
    return {static_cast<u16>(word << 8 | word >> 8)};
}

constexpr Sum sum_of(Big16 word)
{
    return {__builtin_bit_cast(u16, word)};
}
constexpr Sum sum_of(Big32 words)
{
    return {__builtin_bit_cast(u32, words)};
}

// The field's content for the sum of everything else.
inline Big16 field_of(Sum sum)
{
    return __builtin_bit_cast(Big16, static_cast<u16>(~folded(sum)));
}

// RFC 1624, equation 3: a field after part of what it covers changed from `before` to `after`.
inline Big16 field_after(Big16 field, Sum before, Sum after)
{
    u16 const inverted = static_cast<u16>(~__builtin_bit_cast(u16, field));
    Sum const sum = plus(plus({inverted}, {static_cast<u16>(~folded(before))}), after);
    return field_of(sum);
}

} // namespace kennel::service::net
