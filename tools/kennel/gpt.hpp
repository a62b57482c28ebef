// SPDX-License-Identifier: Apache-2.0
//
// GUID partition tables, written and read. UEFI specification, "GUID Partition Table (GPT) Disk Layout".
// A table read is untrusted: every number is checked against the disk before it is used.
#pragma once
#include "tools/kennel/guid.hpp"
#include <span>
#include <vector>

namespace kennel::tool {

inline constexpr u64 sector = 512;                       // bytes; the only size made and read here
inline constexpr u64 partition_alignment = 1 << 20;      // bytes
inline constexpr u64 gpt_start_size = 34 * sector;       // MBR, header, entries: the disk's first bytes
inline constexpr u64 gpt_end_size = 33 * sector;         // entries, header: its last

inline constexpr Guid esp_type   {0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b};
inline constexpr Guid linux_type {0xaf, 0x3d, 0xc6, 0x0f, 0x83, 0x84, 0x72, 0x47, 0x8e, 0x79, 0x3d, 0x69, 0xd8, 0x47, 0x7d, 0xe4};

struct GptPartition {
    Guid        type, id;
    u64         offset, size;                            // bytes
    std::string name;                                    // at most 36 characters; ASCII, others are read as '?'
};

struct Gpt {
    Guid                      disk;
    std::vector<GptPartition> partitions;
};

// What lies at the start and at the end of a disk of `size` bytes.
struct GptBytes { std::vector<u8> start, end; };
GptBytes make_gpt(Gpt const& gpt, u64 size);

enum class GptError { none, no_signature, bad_header, larger_disk, bad_checksum, bad_entries, bad_partition, overlap };
char const* describe(GptError error);

// `start` holds the disk's first gpt_start_size bytes, or `end` its last gpt_end_size: either tells everything.
struct GptRead { GptError error; Gpt gpt; };
GptRead read_gpt(std::span<u8 const> start, u64 size);
GptRead read_backup_gpt(std::span<u8 const> end, u64 size);

} // namespace kennel::tool
