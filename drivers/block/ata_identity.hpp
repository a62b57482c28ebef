// SPDX-License-Identifier: Apache-2.0
//
// What an ATA drive says of itself, from the 512 bytes of IDENTIFY DEVICE to a checked value. ATA/ATAPI-8 Command Set,
// "IDENTIFY DEVICE": words are little-endian, texts have their bytes swapped in pairs. A drive is a device, so nothing it
// says is believed beyond what the commands we use can address.
#pragma once
#include "hv/lib/result.hpp"
#include "hv/lib/types.hpp"
#include <span>
#include <string_view>

namespace kennel::service {

enum class IdentityError : u8 { not_ata, no_lba, no_dma, sector_size, no_sectors };

constexpr std::string_view describe(IdentityError error)
{
    switch (error) {
    case IdentityError::not_ata:     return "it is no ATA disk";
    case IdentityError::no_lba:      return "it has no LBA";
    case IdentityError::no_dma:      return "it has no DMA";
    case IdentityError::sector_size: return "its sectors are not of 512 bytes";
    case IdentityError::no_sectors:  return "it has no sectors";
    }
    return "";
}

struct AtaIdentity {
    u64  sectors = 0;
    u32  block_bytes = 512;                            // what the medium writes in one piece
    bool lba48 = false;
    bool flush = false, flush_ext = false;
    bool write_back = false;                           // it has, or may have, a cache that a flush empties
    char model[41] = {};                               // printable ASCII, no spaces at its end

    static constexpr u64 largest_28 = 1u << 28, largest_48 = 1ull << 48;

    static constexpr Result<AtaIdentity, IdentityError> parse(std::span<u8 const, 512> bytes)
    {
        auto word = [&](usize number) { return static_cast<u32>(bytes[number * 2] | bytes[number * 2 + 1] << 8); };
        auto bit = [&](usize number, u32 which) { return (word(number) >> which & 1) != 0; };
        auto valid = [&](usize number) { return (word(number) & 0xc000) == 0x4000; };   // "01" in bits 15:14 says that the word means something

        AtaIdentity drive;
        if (bit(0, 15))                                // ATAPI
            return Err(IdentityError::not_ata);
        if (!bit(49, 9))
            return Err(IdentityError::no_lba);
        if (!bit(49, 8))
            return Err(IdentityError::no_dma);
        drive.lba48 = valid(83) && bit(83, 10);
        drive.flush = valid(83) && bit(83, 12);
        drive.flush_ext = drive.lba48 && bit(83, 13);
        // Cache supported (82) and switched on (85). A drive that has a flush but says nothing of a cache may have one.
        bool const cache = valid(83) && bit(82, 5), on = valid(87) && bit(85, 5);
        drive.write_back = cache ? on : drive.flush || drive.flush_ext;

        u64 sectors = word(60) | word(61) << 16;
        u64 limit = largest_28;
        if (drive.lba48) {
            u64 const long_count = word(100) | word(101) << 16 | static_cast<u64>(word(102)) << 32 | static_cast<u64>(word(103)) << 48;
            if (long_count > sectors)
                sectors = long_count;
            limit = largest_48;
        }
        drive.sectors = sectors < limit ? sectors : limit;
        if (drive.sectors == 0)
            return Err(IdentityError::no_sectors);

        if (valid(106)) {                              // "Physical sector size / logical sector size"
            u32 const words = word(117) | word(118) << 16;
            if (bit(106, 12) && words != 256)
                return Err(IdentityError::sector_size);
            if (bit(106, 13))
                drive.block_bytes = 512u << (word(106) & 7);   // at most 64 KiB
        }
        for (usize i = 0; i < 40; i++) {
            u8 const c = bytes[54 + (i ^ 1)];
            drive.model[i] = c >= ' ' && c <= '~' ? static_cast<char>(c) : '?';
        }
        for (usize end = 40; end > 0 && drive.model[end - 1] == ' '; end--)
            drive.model[end - 1] = 0;
        return drive;
    }
};

} // namespace kennel::service
