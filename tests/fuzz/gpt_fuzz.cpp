// SPDX-License-Identifier: Apache-2.0
//
// Any disk, half of them with the table's checksums put right so that the rest of it is looked at; and what an ATA drive says
// of itself.
#include "drivers/block/ata_identity.hpp"
#include "drivers/block/gpt.hpp"
#include "tests/fuzz/input.hpp"
#include <vector>

using namespace kennel;
using namespace kennel::service;
using fuzz::demand;

namespace {

constexpr u64 sectors = 80;

void put_right(std::vector<u8>& disk, u64 at)
{
    u8* const place = &disk[at * sector_bytes];
    gpt::Header header;
    std::memcpy(&header, place, gpt::header_bytes);
    std::memcpy(header.signature, "EFI PART", 8);
    header.own_sector = at;
    header.size = 92 + header.size % 421;
    header.entry_size = 128u << (header.entry_size & 7);
    header.entry_count %= 140;
    if (at & 1)
        header.entries_sector %= sectors + 2;
    u64 const table = header.entries_sector * sector_bytes, bytes = static_cast<u64>(header.entry_count) * header.entry_size;
    header.entries_checksum = 0;
    header.checksum = 0;
    std::memcpy(place, &header, gpt::header_bytes);
    if (header.entries_sector < sectors && bytes <= disk.size() - table)
        header.entries_checksum = crc32(std::span<u8 const>{disk}.subspan(table, bytes));
    std::memcpy(place, &header, gpt::header_bytes);
    header.checksum = crc32({place, header.size});
    std::memcpy(place, &header, gpt::header_bytes);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(unsigned char const* data, size_t size)
{
    fuzz::Input input{data, size};
    u8 const how = input.take<u8>();
    if (how & 1) {
        u8 words[512] = {};
        auto const given = input.bytes(sizeof words);
        std::copy(given.begin(), given.end(), words);
        if (auto const drive = AtaIdentity::parse(words)) {
            demand(drive->sectors > 0 && drive->sectors <= (drive->lba48 ? AtaIdentity::largest_48 : AtaIdentity::largest_28));
            demand(drive->block_bytes >= 512 && drive->block_bytes <= 65536 && drive->model[40] == 0);
        } else {
            demand(!describe(drive.error()).empty());
        }
        return 0;
    }
    PartSelector wanted;
    wanted.by = how & 2 ? PartSelector::By::label : PartSelector::By::uuid;
    wanted.uuid[0] = input.take<u8>();
    char const letter = static_cast<char>(input.take<u8>());
    wanted.label = {&letter, 1};
    u8 const bad_sector = input.take<u8>();
    std::vector<u8> disk(sectors * sector_bytes);
    auto const given = input.bytes(disk.size());
    std::copy(given.begin(), given.end(), disk.begin());
    if (how & 4) {
        disk[450] = 0xee, disk[510] = 0x55, disk[511] = 0xaa;
        put_right(disk, sectors - 1);
        if (how & 8)
            put_right(disk, 1);
    }
    u8 buffer[gpt::chunk];
    auto const found = find_partition(wanted, sectors, buffer, [&](SectorRange const& range, std::span<u8> to) {
        demand(range.count() > 0 && range.end() <= sectors && to.size() == range.bytes() && to.size() <= sizeof buffer);
        std::memcpy(to.data(), &disk[range.first() * sector_bytes], to.size());
        return range.first() != bad_sector;
    });
    if (found)
        demand(found->range.count() > 0 && found->range.end() <= sectors);
    else
        demand(!describe(found.error()).empty());
    return 0;
}
