// SPDX-License-Identifier: Apache-2.0
//
// See gpt.hpp.
#include "tools/kennel/gpt.hpp"
#include "hv/lib/checksum.hpp"
#include <algorithm>
#include <cstring>

namespace kennel::tool {

namespace {

// UEFI specification, "GPT Header".
struct Header {
    char signature[8];                   //  0  "EFI PART"
    u32  revision;                       //  8  1.0
    u32  header_size;                    // 12
    u32  header_checksum;                // 16  with this field 0
    u32  reserved;                       // 20
    u64  own, alternate;                 // 24  sectors
    u64  first_usable, last_usable;      // 40
    u8   disk[16];                       // 56
    u64  entries;                        // 72  first sector of the table
    u32  entry_count, entry_size;        // 80
    u32  entries_checksum;               // 88
    u32  padding;
};
static_assert(sizeof(Header) == 96);
constexpr u32 header_size = 92;          // without our padding

// UEFI specification, "GPT Partition Entry".
struct Entry {
    u8  type[16], id[16];
    u64 first, last;                     // sectors, both included
    u64 attributes;
    u16 name[36];
};
static_assert(sizeof(Entry) == 128);

constexpr u32 entry_count = 128;
constexpr u64 table_sectors = entry_count * sizeof(Entry) / sector;
constexpr char signature[] = {'E', 'F', 'I', ' ', 'P', 'A', 'R', 'T'};

u32 header_checksum(Header header)
{
    header.header_checksum = 0;
    return crc32({reinterpret_cast<u8 const*>(&header), header_size});
}

Entry make_entry(GptPartition const& partition)
{
    Entry entry{};
    std::ranges::copy(partition.type, entry.type);
    std::ranges::copy(partition.id, entry.id);
    entry.first = partition.offset / sector;
    entry.last = (partition.offset + partition.size) / sector - 1;
    for (usize i = 0; i < partition.name.size() && i < std::size(entry.name); i++)
        entry.name[i] = static_cast<u8>(partition.name[i]);
    return entry;
}

// "Protective MBR": one partition of type EE over the whole disk, so that old tools see it is in use.
void put_protective_mbr(u8* mbr, u64 size)
{
    u8* const record = mbr + 446;
    u8 const fixed[8] = {0x00, 0x00, 0x02, 0x00, 0xee, 0xff, 0xff, 0xff};
    std::ranges::copy(fixed, record);
    u32 const first = 1, count = static_cast<u32>(std::min<u64>(size / sector - 1, 0xffff'ffff));
    std::memcpy(record + 8, &first, 4);
    std::memcpy(record + 12, &count, 4);
    mbr[510] = 0x55;
    mbr[511] = 0xaa;
}

GptRead read_table(Header const& header, std::span<u8 const> table, u64 own, u64 size)
{
    auto const fault = [](GptError error) { return GptRead{error, {}}; };
    if (std::memcmp(header.signature, signature, sizeof signature) != 0)
        return fault(GptError::no_signature);
    if (header.header_size != header_size || header.own != own || header.entry_count != entry_count || header.entry_size != sizeof(Entry))
        return fault(GptError::bad_header);
    if (header.header_checksum != header_checksum(header))
        return fault(GptError::bad_checksum);
    u64 const sectors = size / sector;
    if (header.last_usable >= sectors - gpt_end_size / sector)
        return fault(GptError::larger_disk);
    if (header.first_usable < gpt_start_size / sector || header.first_usable > header.last_usable)
        return fault(GptError::bad_header);
    if (crc32(table) != header.entries_checksum)
        return fault(GptError::bad_entries);

    GptRead result{GptError::none, {}};
    std::ranges::copy(header.disk, result.gpt.disk.begin());
    for (u32 i = 0; i < entry_count; i++) {
        Entry entry;
        std::memcpy(&entry, table.data() + i * sizeof entry, sizeof entry);
        if (std::ranges::all_of(entry.type, [](u8 byte) { return byte == 0; }))
            continue;
        if (entry.first < header.first_usable || entry.last > header.last_usable || entry.first > entry.last)
            return fault(GptError::bad_partition);
        GptPartition partition{.type = {}, .id = {}, .offset = entry.first * sector, .size = (entry.last - entry.first + 1) * sector, .name = {}};
        std::ranges::copy(entry.type, partition.type.begin());
        std::ranges::copy(entry.id, partition.id.begin());
        for (u16 const c : entry.name) {
            if (c == 0)
                break;
            partition.name += c >= ' ' && c <= '~' ? static_cast<char>(c) : '?';
        }
        for (GptPartition const& other : result.gpt.partitions)
            if (partition.offset < other.offset + other.size && other.offset < partition.offset + partition.size)
                return fault(GptError::overlap);
        result.gpt.partitions.push_back(std::move(partition));
    }
    return result;
}

} // namespace

GptBytes make_gpt(Gpt const& gpt, u64 size)
{
    std::vector<u8> table(table_sectors * sector);
    for (usize i = 0; i < gpt.partitions.size() && i < entry_count; i++) {
        auto const entry = make_entry(gpt.partitions[i]);
        std::memcpy(table.data() + i * sizeof entry, &entry, sizeof entry);
    }
    u64 const last = size / sector - 1;
    Header header{};
    std::memcpy(header.signature, signature, sizeof signature);
    header.revision         = 0x0001'0000;
    header.header_size      = header_size;
    header.own              = 1;
    header.alternate        = last;
    header.first_usable     = gpt_start_size / sector;
    header.last_usable      = last - gpt_end_size / sector;
    std::ranges::copy(gpt.disk, header.disk);
    header.entries          = 2;
    header.entry_count      = entry_count;
    header.entry_size       = sizeof(Entry);
    header.entries_checksum = crc32(table);
    header.header_checksum  = header_checksum(header);

    GptBytes bytes{std::vector<u8>(gpt_start_size), std::vector<u8>(gpt_end_size)};
    put_protective_mbr(bytes.start.data(), size);
    std::memcpy(bytes.start.data() + sector, &header, header_size);
    std::ranges::copy(table, bytes.start.begin() + 2 * sector);

    header.own             = last;
    header.alternate       = 1;
    header.entries         = last - table_sectors;
    header.header_checksum = header_checksum(header);
    std::ranges::copy(table, bytes.end.begin());
    std::memcpy(bytes.end.data() + table.size(), &header, header_size);
    return bytes;
}

char const* describe(GptError error)
{
    switch (error) {
    case GptError::none:          return "right";
    case GptError::no_signature:  return "not there";
    case GptError::bad_header:    return "its header has numbers that cannot be";
    case GptError::larger_disk:   return "it is that of a larger disk; the image may be cut short";
    case GptError::bad_checksum:  return "its header's checksum is wrong";
    case GptError::bad_entries:   return "its entries' checksum is wrong";
    case GptError::bad_partition: return "a partition is not inside the disk";
    case GptError::overlap:       return "two partitions overlap";
    }
    return "unknown";
}

GptRead read_gpt(std::span<u8 const> start, u64 size)
{
    if (start.size() < gpt_start_size || size < gpt_start_size + gpt_end_size + sector)
        return {GptError::no_signature, {}};
    Header header{};
    std::memcpy(&header, start.data() + sector, header_size);
    if (std::memcmp(header.signature, signature, sizeof signature) == 0 && header.entries != 2)
        return {GptError::bad_header, {}};
    return read_table(header, start.subspan(2 * sector, table_sectors * sector), 1, size);
}

GptRead read_backup_gpt(std::span<u8 const> end, u64 size)
{
    if (end.size() < gpt_end_size || size < gpt_start_size + gpt_end_size + sector)
        return {GptError::no_signature, {}};
    Header header{};
    std::memcpy(&header, end.data() + table_sectors * sector, header_size);
    return read_table(header, end.first(table_sectors * sector), size / sector - 1, size);
}

} // namespace kennel::tool
