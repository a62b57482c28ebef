// SPDX-License-Identifier: Apache-2.0
//
// What a file is, told by its first bytes, whatever its name says.
#pragma once
#include "hv/lib/types.hpp"
#include <span>
#include <string_view>

namespace kennel::tool {

enum class Content {
    empty, kernel, elf, efi_program, cpio, gzip, xz, zstd, lz4, lzma, bzip2, lzo, ext_file_system, squashfs,
    qcow2, partitioned_disk, debian_package, tar, text, unknown,
};

Content          recognise(std::span<u8 const> start);   // the first content_start bytes of the file, or all of it
std::string_view describe(Content content);              // "a gzip file"
bool             may_be_initrd(Content content);         // Linux unpacks or mounts it

inline constexpr usize content_start = 4096;

} // namespace kennel::tool
