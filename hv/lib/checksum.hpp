// SPDX-License-Identifier: Apache-2.0
//
// The two checksums of this tree: CRC-32 for our own manifest and GUID partition tables, and the byte sum ACPI tables must bring to zero.
// Pure; used by boot/, drivers/ and tools/, so that writer and reader share one definition.
#pragma once
#include "hv/lib/types.hpp"
#include <span>

namespace kennel {

// The reflected IEEE 802.3 polynomial, a step per bit: what is summed is a few KiB, once. `before`: the checksum of what comes
// in front of these bytes.
constexpr u32 crc32(std::span<u8 const> bytes, u32 before = 0)
{
    u32 rest = ~before;
    for (u8 const byte : bytes) {
        rest ^= byte;
        for (int bit = 0; bit < 8; bit++)
            rest = (rest >> 1) ^ ((rest & 1) != 0 ? 0xedb8'8320u : 0u);
    }
    return ~rest;
}

// ACPI specification, "System Description Table Header": all bytes of a table add up to zero.
constexpr u8 byte_sum(std::span<u8 const> bytes)
{
    u32 sum = 0;
    for (u8 const byte : bytes)
        sum += byte;
    return static_cast<u8>(sum);
}

} // namespace kennel
