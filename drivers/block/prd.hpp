// SPDX-License-Identifier: Apache-2.0
//
// The table that tells an IDE bus master where data goes: physical region descriptors. Programming Interface for Bus Master
// IDE Controller, "Physical Region Descriptor": a region is below 4 GiB, begins and ends at even addresses and does not
// cross a 64 KiB boundary; neither does the table. A guest's segments that cannot be described are bounced.
#pragma once
#include "hv/lib/types.hpp"

namespace kennel::service {

struct PrdEntry {
    u32 address;
    u16 bytes;                                        // 0: 64 KiB
    u16 flags;                                        // bit 15: the last one
};
static_assert(sizeof(PrdEntry) == 8);

class PrdTable {
public:
    // One page: as many as the most segments of a request need, each cut once where it crosses a boundary, and the cuts inside
    // long ones (command_bytes, ata_channel.hpp).
    static constexpr usize entries = page_size / sizeof(PrdEntry);
    static constexpr u64 boundary = 64 * 1024;

    constexpr explicit PrdTable(PrdEntry* page) : page_{page} {}

    void clear() { count_ = 0; }

    // False: this piece cannot be described, or the table is full.
    bool add(u8 const* data, u64 bytes)
    {
        u64 at = reinterpret_cast<u64>(data);
        if (((at | bytes) & 1) != 0 || at >= 1ull << 32 || bytes > (1ull << 32) - at)
            return false;
        while (bytes > 0) {
            u64 const to_boundary = boundary - at % boundary, size = bytes < to_boundary ? bytes : to_boundary;
            if (count_ == entries)
                return false;
            page_[count_++] = {static_cast<u32>(at), static_cast<u16>(size), 0};
            at += size;
            bytes -= size;
        }
        return true;
    }

    void end() { page_[count_ - 1].flags = 0x8000; }  // something was added
    bool empty() const { return count_ == 0; }
    u32  address() const { return static_cast<u32>(reinterpret_cast<u64>(page_)); }

private:
    PrdEntry* page_;
    usize     count_ = 0;
};

} // namespace kennel::service
