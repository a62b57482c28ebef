// SPDX-License-Identifier: Apache-2.0
//
// Addresses of the wire, and numbers as they lie there: big-endian, at any alignment.
#pragma once
#include "hv/lib/types.hpp"
#include <compare>

namespace kennel::service::net {

// A number in network byte order. Headers are made of these, so that none of their fields is read in the wrong order.
struct Big16 {
    u8 bytes[2] = {};
    constexpr Big16() = default;
    constexpr Big16(u16 value) : bytes{static_cast<u8>(value >> 8), static_cast<u8>(value)} {}
    constexpr operator u16() const { return static_cast<u16>(bytes[0] << 8 | bytes[1]); }
};

struct Big32 {
    u8 bytes[4] = {};
    constexpr Big32() = default;
    constexpr Big32(u32 value)
        : bytes{static_cast<u8>(value >> 24), static_cast<u8>(value >> 16), static_cast<u8>(value >> 8), static_cast<u8>(value)} {}
    constexpr operator u32() const
    {
        return static_cast<u32>(bytes[0]) << 24 | static_cast<u32>(bytes[1]) << 16 | static_cast<u32>(bytes[2]) << 8 | bytes[3];
    }
};

// IEEE 802: bit 0 of the first byte is the group bit; all ones is everybody.
struct MacAddress {
    u8 bytes[6] = {};

    constexpr bool operator==(MacAddress const&) const = default;
    constexpr bool is_group() const { return bytes[0] & 1; }
    constexpr bool is_broadcast() const { return number() == 0xffff'ffff'ffff; }
    constexpr u64  number() const
    {
        u64 sum = 0;
        for (u8 const byte : bytes)
            sum = sum << 8 | byte;
        return sum;
    }
    static constexpr MacAddress from(u64 number)
    {
        MacAddress address;
        for (usize i = 0; i < 6; i++)
            address.bytes[i] = static_cast<u8>(number >> (40 - 8 * i));
        return address;
    }
};
inline constexpr MacAddress everybody{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

// In the processor's order, so that it can be compared and masked.
struct Ipv4Address {
    u32 value = 0;

    constexpr auto operator<=>(Ipv4Address const&) const = default;
    static constexpr Ipv4Address of(u8 a, u8 b, u8 c, u8 d) { return {static_cast<u32>(a) << 24 | static_cast<u32>(b) << 16 | static_cast<u32>(c) << 8 | d}; }
};

struct Subnet {
    Ipv4Address base;
    u8          bits = 32;                            // of the prefix, 1 to 32

    constexpr bool operator==(Subnet const&) const = default;
    constexpr u32  mask() const { return bits ? ~0u << (32 - bits) : 0; }
    constexpr bool contains(Ipv4Address address) const { return ((address.value ^ base.value) & mask()) == 0; }
    constexpr Ipv4Address at(u32 host) const { return {(base.value & mask()) | (host & ~mask())}; }
    constexpr Ipv4Address broadcast() const { return {base.value | ~mask()}; }
};

} // namespace kennel::service::net
