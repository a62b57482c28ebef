// SPDX-License-Identifier: Apache-2.0
//
// A FAT32 file system whose files are all known beforehand: where everything goes is decided first, and then there is only
// writing. The same files at the same time give the same bytes. Microsoft, "FAT32 File System Specification" (2000).
#pragma once
#include "hv/lib/types.hpp"
#include <span>
#include <string>
#include <vector>

namespace kennel::tool {

struct FatFile {
    std::string path;              // "EFI/BOOT/BOOTX64.EFI": printable ASCII, no two the same but for case
    u64         size;              // bytes, below 4 GiB
};

struct FatOptions {
    u32 volume_id = 0;
    u64 time = 0;                  // of every file, seconds since 1970 UTC; FAT's own begins in 1980 and ends in 2107
    u32 hidden_sectors = 0;        // before the file system, on its disk
};

class Fat32 {
public:
    struct Piece {                 // bytes at an offset of the file system
        u64             offset;
        std::vector<u8> bytes;
    };

    Fat32(std::vector<FatFile> const& files, FatOptions const& options);

    u64                       size() const { return size_; }                     // bytes, whole sectors
    std::vector<Piece> const& pieces() const { return pieces_; }                 // all that is not a file's content; the rest is zero
    u64                       offset_of(usize file) const { return offsets_[file]; }   // where the content of files[file] goes, in one piece

private:
    struct Node;
    struct Planner;

    u64                size_ = 0;
    std::vector<Piece> pieces_;
    std::vector<u64>   offsets_;
};

} // namespace kennel::tool
