// SPDX-License-Identifier: Apache-2.0
//
// A partition of a disk, found in its GUID partition table. UEFI Specification, "GUID Partition Table (GPT) Disk Layout".
// Every byte comes from a disk that somebody else wrote: a table counts only when both its checksums hold and all it says
// lies on the disk; the one at the end of the disk is the fallback. Pure: the caller brings the reading.
#pragma once
#include "drivers/block/backend.hpp"
#include "hv/lib/checksum.hpp"
#include "hv/lib/result.hpp"
#include <array>
#include <cstring>
#include <string_view>

namespace kennel::service {

// Which part of a disk.
struct PartSelector {
    enum class By : u8 { whole, uuid, label } by = By::whole;
    std::array<u8, 16> uuid{};                        // as it lies on the disk: the first three groups little-endian
    std::string_view   label;                         // ASCII
};

enum class GptError : u8 { no_table, read_error, not_found, twice, bad_partition };

constexpr std::string_view describe(GptError error)
{
    switch (error) {
    case GptError::no_table:      return "it has no GUID partition table whose checksums hold, neither at its beginning nor at its end";
    case GptError::read_error:    return "its partition table cannot be read";
    case GptError::not_found:     return "it has no such partition";
    case GptError::twice:         return "it has more than one such partition";
    case GptError::bad_partition: return "the partition does not lie inside the disk";
    }
    return "";
}

struct GptPartition {
    SectorRange range;
    bool        from_backup = false;
};

namespace gpt {

constexpr usize chunk = 4096;                         // read at once; a multiple of every entry size allowed

struct Header {                                       // "GPT Header", byte offsets of the specification on the right
    u8  signature[8];                                 //  0  "EFI PART"
    u32 revision, size, checksum, reserved;           //  8, 12, 16, 20
    u64 own_sector, other_sector;                     // 24, 32
    u64 first_usable, last_usable;                    // 40, 48
    u8  disk[16];                                     // 56
    u64 entries_sector;                               // 72
    u32 entry_count, entry_size, entries_checksum;    // 80, 84, 88
    u32 beyond;                                       // not of the header: padding of ours
};
static_assert(offsetof(Header, own_sector) == 24 && offsetof(Header, entries_sector) == 72 && offsetof(Header, beyond) == 92);
inline constexpr u32 header_bytes = offsetof(Header, beyond);

struct Entry {                                        // "GPT Partition Entry"
    u8  type[16];                                     //  0  all zero: unused
    u8  unique[16];                                   // 16
    u64 first, last;                                  // 32, 40
    u64 attributes;                                   // 48
    u16 name[36];                                     // 56  UTF-16
};
static_assert(sizeof(Entry) == 128);

// A header whose checksum and numbers hold, from the sector it says it is in.
inline std::optional<Header> read_header(std::span<u8 const> sector, u64 number, u64 sectors)
{
    Header header{};
    std::memcpy(&header, sector.data(), header_bytes);
    if (std::memcmp(header.signature, "EFI PART", 8) != 0 || header.size < header_bytes || header.size > sector_bytes || header.own_sector != number)
        return std::nullopt;
    constexpr u8 zero[4] = {};                        // its own field counts as zero
    u32 const sum = crc32(zero, crc32(sector.first(offsetof(Header, checksum))));
    if (crc32(sector.subspan(offsetof(Header, reserved), header.size - offsetof(Header, reserved)), sum) != header.checksum)
        return std::nullopt;
    bool const entry_fits = header.entry_size >= sizeof(Entry) && header.entry_size <= chunk && (header.entry_size & (header.entry_size - 1)) == 0;
    if (!entry_fits || header.entry_count == 0 || header.entry_count > 1024)
        return std::nullopt;
    u64 const entry_sectors = (static_cast<u64>(header.entry_count) * header.entry_size + sector_bytes - 1) / sector_bytes;
    if (!SectorRange::within(sectors, header.entries_sector, entry_sectors))
        return std::nullopt;
    if (header.first_usable > header.last_usable || header.last_usable >= sectors)
        return std::nullopt;
    return header;
}

inline bool is_wanted(Entry const& entry, PartSelector const& wanted)
{
    constexpr u8 unused[16] = {};
    if (std::memcmp(entry.type, unused, sizeof unused) == 0)
        return false;
    if (wanted.by == PartSelector::By::uuid)
        return std::memcmp(entry.unique, wanted.uuid.data(), sizeof entry.unique) == 0;
    if (wanted.label.empty() || wanted.label.size() > std::size(entry.name))
        return false;
    for (usize i = 0; i < std::size(entry.name); i++) {
        u16 const c = i < wanted.label.size() ? static_cast<u8>(wanted.label[i]) : 0;
        if (entry.name[i] != c)
            return false;
        if (c == 0)
            break;
    }
    return true;
}

// The partitions of one table that are wanted. No table: what its entries' checksum says.
template<class Read> Result<SectorRange, GptError> search(Header const& header, PartSelector const& wanted, u64 sectors, std::span<u8, chunk> buffer, Read& read)
{
    u64 left = static_cast<u64>(header.entry_count) * header.entry_size, at = header.entries_sector;
    u32 sum = 0, found = 0;
    Entry match{};
    while (left > 0) {
        u64 const bytes = left < chunk ? left : chunk, count = (bytes + sector_bytes - 1) / sector_bytes;
        if (!read(*SectorRange::within(sectors, at, count), buffer.first(count * sector_bytes)))
            return Err(GptError::read_error);
        sum = crc32(buffer.first(bytes), sum);
        for (u64 offset = 0; offset + header.entry_size <= bytes; offset += header.entry_size) {
            Entry entry;
            std::memcpy(&entry, buffer.data() + offset, sizeof entry);
            if (is_wanted(entry, wanted)) {
                match = entry;
                found++;
            }
        }
        left -= bytes;
        at += count;
    }
    if (sum != header.entries_checksum)
        return Err(GptError::no_table);
    if (found != 1)
        return Err(found == 0 ? GptError::not_found : GptError::twice);
    if (match.first < header.first_usable || match.last > header.last_usable || match.first > match.last)
        return Err(GptError::bad_partition);
    return *SectorRange::within(sectors, match.first, match.last - match.first + 1);
}

template<class Read> Result<SectorRange, GptError> search_table(u64 number, PartSelector const& wanted, u64 sectors, std::span<u8, chunk> buffer, Read& read)
{
    auto const where = SectorRange::within(sectors, number, 1);
    if (!where)
        return Err(GptError::no_table);
    if (!read(*where, buffer.first(sector_bytes)))
        return Err(GptError::read_error);
    auto const header = read_header(buffer.first(sector_bytes), number, sectors);
    if (!header)
        return Err(GptError::no_table);
    return search(*header, wanted, sectors, buffer, read);
}

// "Protective MBR": without one the disk is partitioned in another way, and a table may be a leftover.
inline bool is_protected(std::span<u8 const> sector)
{
    bool found = false;
    for (usize i = 0; i < 4; i++)
        found |= sector[446 + i * 16 + 4] == 0xee;
    return found && sector[510] == 0x55 && sector[511] == 0xaa;
}

} // namespace gpt

// `read(SectorRange, std::span<u8>) -> bool` fills whole sectors. `buffer` is what it fills (for DMA, perhaps).
template<class Read>
Result<GptPartition, GptError> find_partition(PartSelector const& wanted, u64 sectors, std::span<u8, gpt::chunk> buffer, Read read)
{
    auto const first = SectorRange::within(sectors, 0, 1);
    if (!first)
        return Err(GptError::no_table);
    if (!read(*first, buffer.first(sector_bytes)))
        return Err(GptError::read_error);
    if (!gpt::is_protected(buffer.first(sector_bytes)))
        return Err(GptError::no_table);

    auto const primary = gpt::search_table(1, wanted, sectors, buffer, read);
    if (primary)
        return GptPartition{*primary};
    // A table that is whole decides, whatever the other one says.
    if (primary.error() != GptError::no_table && primary.error() != GptError::read_error)
        return Err(primary.error());
    auto const backup = gpt::search_table(sectors - 1, wanted, sectors, buffer, read);
    if (backup)
        return GptPartition{*backup, true};
    return Err(backup.error() == GptError::no_table ? primary.error() : backup.error());
}

} // namespace kennel::service
