// SPDX-License-Identifier: Apache-2.0
//
// A disk with a GUID partition table, written as the specification says, with numbers a test may spoil before the checksums
// are made.
#pragma once
#include "drivers/block/gpt.hpp"
#include <vector>

namespace kennel::service::test {

class GptDisk {
public:
    explicit GptDisk(u64 sectors) : bytes(sectors * 512), last_usable{sectors - 34} {}

    std::vector<u8> bytes;
    u64 unreadable = ~0ull;                            // this sector gives an error
    u32 entry_size = 128, entry_count = 128, header_size = 92;
    u64 first_usable = 34, last_usable, entries_at = 2;

    u64 sectors() const { return bytes.size() / 512; }

    void add(std::array<u8, 16> unique, u64 first, u64 last, std::string_view label)
    {
        gpt::Entry entry{};
        entry.type[0] = 1;
        std::copy(unique.begin(), unique.end(), entry.unique);
        entry.first = first;
        entry.last = last;
        for (usize i = 0; i < label.size(); i++)
            entry.name[i] = static_cast<u8>(label[i]);
        entries_.push_back(entry);
    }

    void seal()
    {
        bytes[446 + 4] = 0xee;
        bytes[510] = 0x55;
        bytes[511] = 0xaa;
        std::vector<u8> table(std::min<u64>(u64{entry_size} * entry_count, 64 * 512));
        for (usize i = 0; i < entries_.size() && entry_size >= sizeof(gpt::Entry) && (i + 1) * entry_size <= table.size(); i++)
            std::memcpy(&table[i * entry_size], &entries_[i], sizeof entries_[i]);
        write(1, sectors() - 1, entries_at, table);
        write(sectors() - 1, 1, entries_at == 2 ? sectors() - 1 - std::max<u64>((table.size() + 511) / 512, 1) : entries_at, table);
    }

    bool read(SectorRange const& range, std::span<u8> to) const
    {
        if (range.end() > sectors() || to.size() != range.bytes())
            throw 0;
        if (unreadable >= range.first() && unreadable < range.end())
            return false;
        std::memcpy(to.data(), &bytes[range.first() * 512], to.size());
        return true;
    }

private:
    void write(u64 at, u64 other, u64 entries, std::span<u8 const> table)
    {
        gpt::Header header{};
        std::memcpy(header.signature, "EFI PART", 8);
        header.revision = 0x10000;
        header.size = header_size;
        header.own_sector = at;
        header.other_sector = other;
        header.first_usable = first_usable;
        header.last_usable = last_usable;
        header.entries_sector = entries;
        header.entry_count = entry_count;
        header.entry_size = entry_size;
        header.entries_checksum = crc32(table);
        u8* const place = &bytes[at * 512];
        std::memcpy(place, &header, gpt::header_bytes);
        u32 const sum = crc32({place, std::min<usize>(header_size, 512)});
        std::memcpy(place + offsetof(gpt::Header, checksum), &sum, sizeof sum);
        if (entries < sectors() && table.size() <= (sectors() - entries) * 512)
            std::copy(table.begin(), table.end(), &bytes[entries * 512]);
    }

    std::vector<gpt::Entry> entries_;
};

} // namespace kennel::service::test
