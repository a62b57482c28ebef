// SPDX-License-Identifier: Apache-2.0
//
// See content.hpp. Which of them Linux takes as an initrd: its init/do_mounts_rd.c and lib/decompress.c.
#include "tools/kennel/content.hpp"
#include <algorithm>

namespace kennel::tool {

namespace {

struct Mark {
    Content          content;
    usize            offset;
    std::string_view bytes;
};

using namespace std::string_view_literals;

// The first that fits counts: a bzImage is an EFI program, too, and a disk with a GPT has an MBR.
constexpr Mark marks[] = {
    {Content::kernel,           0x202,  "HdrS"sv},
    {Content::elf,              0,      "\x7f" "ELF"sv},
    {Content::partitioned_disk, 512,    "EFI PART"sv},
    {Content::efi_program,      0,      "MZ"sv},
    {Content::cpio,             0,      "070701"sv},
    {Content::cpio,             0,      "070702"sv},
    {Content::gzip,             0,      "\x1f\x8b"sv},
    {Content::xz,               0,      "\xfd" "7zXZ\0"sv},
    {Content::zstd,             0,      "\x28\xb5\x2f\xfd"sv},
    {Content::lz4,              0,      "\x02\x21\x4c\x18"sv},
    {Content::lzma,             0,      "\x5d\0\0"sv},
    {Content::bzip2,            0,      "BZh"sv},
    {Content::lzo,              0,      "\x89LZO\0"sv},
    {Content::squashfs,         0,      "hsqs"sv},
    {Content::ext_file_system,  0x438,  "\x53\xef"sv},
    {Content::qcow2,            0,      "QFI\xfb"sv},
    {Content::debian_package,   0,      "!<arch>\ndebian"sv},
    {Content::tar,              0x101,  "ustar"sv},
    {Content::partitioned_disk, 510,    "\x55\xaa"sv},
};

} // namespace

Content recognise(std::span<u8 const> start)
{
    if (start.empty())
        return Content::empty;
    for (Mark const& mark : marks)
        if (start.size() >= mark.offset + mark.bytes.size() &&
            std::ranges::equal(start.subspan(mark.offset, mark.bytes.size()), mark.bytes, {}, {}, [](char c) { return static_cast<u8>(c); }))
            return mark.content;
    bool const text = std::ranges::all_of(start, [](u8 c) { return (c >= ' ' && c != 0x7f) || (c >= '\t' && c <= '\r'); });
    return text ? Content::text : Content::unknown;
}

std::string_view describe(Content content)
{
    switch (content) {
    case Content::empty:            return "an empty file";
    case Content::kernel:           return "a Linux kernel";
    case Content::elf:              return "an ELF file";
    case Content::efi_program:      return "an EFI program";
    case Content::cpio:             return "a cpio archive";
    case Content::gzip:             return "a gzip file";
    case Content::xz:               return "an xz file";
    case Content::zstd:             return "a zstd file";
    case Content::lz4:              return "an lz4 file";
    case Content::lzma:             return "an lzma file";
    case Content::bzip2:            return "a bzip2 file";
    case Content::lzo:              return "an lzo file";
    case Content::ext_file_system:  return "an ext file system";
    case Content::squashfs:         return "a squashfs file system";
    case Content::qcow2:            return "a qcow2 disk";
    case Content::partitioned_disk: return "a disk with partitions";
    case Content::debian_package:   return "a Debian package";
    case Content::tar:              return "a tar archive";
    case Content::text:             return "a text";
    case Content::unknown:          break;
    }
    return "a file of an unknown kind";
}

bool may_be_initrd(Content content)
{
    switch (content) {
    case Content::cpio: case Content::gzip: case Content::xz: case Content::zstd: case Content::lz4: case Content::lzma:
    case Content::bzip2: case Content::lzo: case Content::ext_file_system: case Content::squashfs:
        return true;
    default:
        return false;
    }
}

} // namespace kennel::tool
