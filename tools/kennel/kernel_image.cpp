// SPDX-License-Identifier: Apache-2.0
//
// See kernel_image.hpp. Offsets and meanings: Linux, Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header".
#include "tools/kennel/kernel_image.hpp"
#include "hv/lib/elf.hpp"
#include "tools/kennel/size.hpp"
#include <algorithm>
#include <cstring>

namespace kennel::tool {

namespace {

// offset, type
constexpr usize setup_sectors  = 0x1f1;   // u8, 0 means 4
constexpr usize system_size    = 0x1f4;   // u32, units of 16 bytes
constexpr usize header_magic   = 0x202;   // u32 "HdrS"
constexpr usize boot_protocol  = 0x206;   // u16
constexpr usize load_flags     = 0x211;   // u8
constexpr usize extra_flags    = 0x236;   // u16, from protocol 2.12
constexpr usize line_size      = 0x238;   // u32
constexpr usize wanted_address = 0x258;   // u64
constexpr usize memory_needed  = 0x260;   // u32, from wanted_address
constexpr usize header_end     = 0x268;

constexpr u32 magic_hdrs    = 0x5372'6448;
constexpr u8  loaded_high   = 1;
constexpr u16 has_64bit_entry = 1;

template <typename T> T at(std::span<u8 const> file, usize offset)
{
    T value;
    std::memcpy(&value, file.data() + offset, sizeof value);
    return value;
}

Or<KernelImage> read_bzimage(std::string_view name, std::span<u8 const> file)
{
    auto const protocol = at<u16>(file, boot_protocol);
    if (protocol < 0x20c)
        return bad_usage("{}: boot protocol {}.{} is too old; 2.12 (Linux 3.8) or newer is needed", name, protocol >> 8, protocol & 0xff);
    if ((at<u8>(file, load_flags) & loaded_high) == 0)
        return bad_usage("{}: a zImage, which loads below 1 MiB; a bzImage is needed", name);
    if ((at<u16>(file, extra_flags) & has_64bit_entry) == 0)
        return bad_usage("{}: a 32-bit kernel; only 64-bit x86-64 kernels can run", name);
    u64 const sectors = at<u8>(file, setup_sectors) == 0 ? 4 : at<u8>(file, setup_sectors);
    u64 const size = (sectors + 1) * 512 + u64{at<u32>(file, system_size)} * 16;
    if (file.size() < size)
        return bad_usage("{}: truncated: {} bytes, but its header says {}", name, file.size(), size);
    u64 const address = at<u64>(file, wanted_address);
    if (address == 0 || address >= u64{1} << 32)
        return bad_usage("{}: its header wants the kernel at {:#x}, which is not below 4 GiB", name, address);
    return KernelImage{.end_of_kernel = address + at<u32>(file, memory_needed), .command_line_size = at<u32>(file, line_size)};
}

Or<KernelImage> read_elf(std::string_view name, std::span<u8 const> file)
{
    auto const image = ElfImage::parse(file);
    if (!image)
        return bad_usage("{}: cannot run as a kernel: {}", name, describe(image.error()));
    u64 end = 0;
    for (auto const& segment : image->segments())
        end = std::max(end, segment.physical_base + segment.memory_size);
    if (end >= u64{1} << 32)
        return bad_usage("{}: a segment's physical address ends at {:#x}, which is not below 4 GiB", name, end);
    constexpr u64 linux_line_size = 2047;   // COMMAND_LINE_SIZE of x86 without its NUL; an ELF file does not say
    return KernelImage{.end_of_kernel = end, .command_line_size = linux_line_size};
}

} // namespace

Or<KernelImage> read_kernel(std::string_view name, std::span<u8 const> file)
{
    if (file.empty())
        return bad_usage("{}: an empty file, not a kernel", name);
    if (file.size() >= 4 && std::memcmp(file.data(), "\x7f" "ELF", 4) == 0)
        return read_elf(name, file);
    if (file.size() < header_end || at<u32>(file, header_magic) != magic_hdrs)
        return bad_usage("{}: not a kernel: neither a Linux bzImage nor an ELF file", name);
    return read_bzimage(name, file);
}

// The service keeps ACPI tables and boot data below 1 MiB and puts the initrd as high as it goes, page by page.
u64 least_memory(KernelImage const& kernel, u64 initrd_size)
{
    return round_up(round_up(kernel.end_of_kernel, page_size) + round_up(initrd_size, page_size), large_page);
}

} // namespace kennel::tool
