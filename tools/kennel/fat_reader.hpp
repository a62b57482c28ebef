// SPDX-License-Identifier: Apache-2.0
//
// The files of a FAT file system somebody else may have made: FAT12, FAT16, FAT32, with long names. Nothing read is believed:
// chains are followed for no longer than there are clusters, folders no deeper than a few levels, all within the file system.
#pragma once
#include "tools/kennel/fault.hpp"
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace kennel::tool {

// Bytes that can be read at any place: a file, a device, a part of it.
struct Bytes {
    u64                                         size = 0;
    std::function<bool(u64, std::span<u8>)>     read;      // false: they cannot be had

    Bytes part(u64 offset, u64 count) const;               // within this
};

class FatReader {
public:
    struct File {
        std::string path;      // "EFI/BOOT/BOOTX64.EFI", as written in the folder; what is not printable ASCII is '?'
        u64         size;
        u32         cluster;   // 0: an empty file
    };

    static Or<FatReader> open(Bytes bytes);

    Or<std::vector<File>> files() const;
    Or<void>              read(File const& file, std::function<void(std::span<u8 const>)> const& take) const;
    Or<std::vector<u8>>   contents(File const& file, u64 most) const;

private:
    enum class Kind { fat12, fat16, fat32 };

    Or<u32>             next(u32 cluster) const;           // 0 at the end of a chain
    Or<std::vector<u8>> folder_bytes(u32 cluster) const;   // cluster 0: the fixed root folder of FAT12 and FAT16
    struct Walk;
    Or<void>            walk(Walk& walk, std::string const& path, u32 cluster, u32 depth) const;
    u64                 offset_of(u32 cluster) const { return data_ + u64{cluster - 2} * cluster_size_; }
    bool                exists(u32 cluster) const { return cluster >= 2 && cluster - 2 < clusters_; }

    Bytes bytes_;
    Kind  kind_ = Kind::fat12;
    u64   fat_ = 0, root_ = 0, root_size_ = 0, data_ = 0;  // offsets and size, bytes
    u64   cluster_size_ = 0;
    u32   clusters_ = 0, root_cluster_ = 0;
};

} // namespace kennel::tool
