// SPDX-License-Identifier: Apache-2.0
//
// See linux.hpp.
#include "drivers/guest/linux.hpp"
#include "drivers/guest/layout.hpp"
#include "drivers/instructions.hpp"
#include "drivers/model/pci.hpp"
#include "drivers/model/power.hpp"

namespace kennel::service {

namespace {

using Checked = Result<void, LoadFault>;

std::unexpected<LoadFault> fault(LoadError error, u64 number = 0) { return std::unexpected(LoadFault{error, number}); }

constexpr u64 page_up(u64 value) { return (value + page_size - 1) & ~(page_size - 1); }

// "The Real-Mode Kernel Header": offsets in the file, which are those in boot_params as well.
namespace header {
inline constexpr u32 begin = 0x1f1, sectors = 0x1f1, boot_flag = 0x1fe, jump_length = 0x201, magic = 0x202, version = 0x206, loader_type = 0x210,
                     load_flags = 0x211, initrd_address = 0x218, initrd_size = 0x21c, command_line = 0x228, initrd_highest = 0x22c,
                     alignment = 0x230, relocatable = 0x234, extended_flags = 0x236, command_line_size = 0x238, preferred_address = 0x258,
                     memory_needed = 0x260, least = 0x268;
inline constexpr u32 magic_value = 0x5372'6448;       // "HdrS"
inline constexpr u16 boot_flag_value = 0xaa55;
inline constexpr u8  loaded_high = 1, unknown_loader = 0xff;
inline constexpr u16 has_64_bit_entry = 1;
inline constexpr u64 entry_64 = 0x200;                // behind the start of the protected-mode part
} // namespace header

// "Zero Page": offsets in boot_params.
namespace zero_page {
inline constexpr u32 rsdp = 0x070, map_entries = 0x1e8, header_end_limit = 0x290, map = 0x2d0, map_capacity = 128;
inline constexpr u32 ram = 1, reserved = 2, acpi = 3;
} // namespace zero_page

// boot_params under construction: a copy of ours, which the guest cannot change while we look at it.
class ZeroPage {
public:
    template<class T> void put(u32 offset, T value) { std::memcpy(bytes_ + offset, &value, sizeof value); }
    void copy(u32 offset, std::span<u8 const> from) { std::memcpy(bytes_ + offset, from.data(), from.size()); }

    void add_range(u64 base, u64 end, u32 kind)
    {
        if (base >= end || entries_ == zero_page::map_capacity)
            return;
        u32 const at = zero_page::map + entries_++ * 20;
        put(at, base);
        put(at + 8, end - base);
        put(at + 16, kind);
        put(zero_page::map_entries, static_cast<u8>(entries_));
    }

    bool write(GuestMemory const& memory) const { return memory.copy_out(layout::zero_page, bytes_); }

private:
    u8  bytes_[page_size] = {};
    u32 entries_ = 0;
};

template<class T> T at(std::span<u8 const> file, u32 offset)
{
    T value;
    std::memcpy(&value, file.data() + offset, sizeof value);
    return value;
}

struct Placed {
    u64 entry;
    u64 end;                                          // first address behind all the kernel needs
    u64 initrd_highest = 0x7fff'ffff;                 // last address an initrd may have
    u64 command_line_size = 2047;
};

Result<Placed, LoadFault> place_bzimage(GuestMemory const& memory, std::span<u8 const> file, ZeroPage& page)
{
    if (file.size() < header::least)
        return fault(LoadError::not_a_kernel);
    if (at<u16>(file, header::boot_flag) != header::boot_flag_value || at<u32>(file, header::magic) != header::magic_value)
        return fault(LoadError::no_header);
    u16 const version = at<u16>(file, header::version);
    if (version < 0x20c)                              // the first with XLF_KERNEL_64
        return fault(LoadError::old_protocol, version);
    if (!(at<u8>(file, header::load_flags) & header::loaded_high))
        return fault(LoadError::not_loaded_high);
    if (!(at<u16>(file, header::extended_flags) & header::has_64_bit_entry))
        return fault(LoadError::no_64_bit_entry);

    // "for backwards compatibility, if the setup_sects field contains 0, the real value is 4"
    u32 const sectors = at<u8>(file, header::sectors) ? at<u8>(file, header::sectors) : 4;
    u64 const setup_size = (sectors + 1) * 512ull;
    u32 const header_end = std::min<u32>(header::magic + at<u8>(file, header::jump_length), zero_page::header_end_limit);
    if (setup_size + header::entry_64 >= file.size() || header_end > file.size() || header_end < header::least)
        return fault(LoadError::bad_setup_size);

    auto const kernel = file.subspan(setup_size);
    u64 const alignment = at<u32>(file, header::alignment), preferred = at<u64>(file, header::preferred_address);
    bool const relocatable = at<u8>(file, header::relocatable);
    u64 const needed = std::max<u64>(at<u32>(file, header::memory_needed), kernel.size());
    // The preferred address saves the kernel from moving itself; a relocatable one also runs at its alignment.
    u64 address = preferred;
    if (relocatable && alignment >= layout::kernel_least && (alignment & (alignment - 1)) == 0 && preferred > alignment &&
        (preferred > memory.low_size() || needed > memory.low_size() - preferred))
        address = alignment;
    if (address < layout::kernel_least || address % page_size != 0 || address > device_hole)
        return fault(LoadError::not_a_kernel);
    auto const room = memory.span(address, needed);
    if (room.empty())
        return fault(LoadError::needs_more_memory, address + needed);
    copy_bytes(room.data(), kernel.data(), kernel.size());

    page.copy(header::begin, file.subspan(header::begin, header_end - header::begin));
    return Placed{address + header::entry_64, address + needed, at<u32>(file, header::initrd_highest), at<u32>(file, header::command_line_size)};
}

Result<Placed, LoadFault> place_elf(GuestMemory const& memory, std::span<u8 const> file, ZeroPage& page)
{
    auto const image = ElfImage::parse(file);
    if (!image)
        return fault(LoadError::bad_elf, static_cast<u64>(image.error()));
    u64 end = 0;
    for (ElfSegment const& segment : image->segments()) {
        if (segment.physical_base < layout::kernel_least)
            return fault(LoadError::segment_outside, segment.physical_base);
        auto const room = memory.span(segment.physical_base, segment.memory_size);
        if (room.empty())
            return fault(LoadError::needs_more_memory, segment.physical_base + segment.memory_size);
        copy_bytes(room.data(), segment.data.data(), segment.data.size());
        end = std::max(end, segment.physical_base + segment.memory_size);
    }
    // What a bzImage's header would have said.
    page.put(header::boot_flag, header::boot_flag_value);
    page.put(header::magic, header::magic_value);
    page.put(header::version, u16{0x20f});
    page.put(header::load_flags, header::loaded_high);
    page.put(header::alignment, u32{0x100'0000});
    return Placed{image->entry(), end};
}

Checked place_initrd(GuestMemory const& memory, std::span<u8 const> initrd, Placed const& kernel, ZeroPage& page)
{
    if (initrd.empty())
        return {};
    // As high as it may be: what the kernel takes first lies low.
    u64 const limit = std::min(memory.low_size(), kernel.initrd_highest + 1);
    u64 const size = page_up(initrd.size());
    if (size > limit || limit - size < page_up(kernel.end))
        return fault(LoadError::initrd_does_not_fit, page_up(kernel.end) + size);
    u64 const address = (limit - size) & ~(page_size - 1);
    auto const room = memory.span(address, initrd.size());
    if (room.empty() || address < page_up(kernel.end))
        return fault(LoadError::initrd_does_not_fit, page_up(kernel.end) + size);
    copy_bytes(room.data(), initrd.data(), initrd.size());
    page.put(header::initrd_address, static_cast<u32>(address));
    page.put(header::initrd_size, static_cast<u32>(initrd.size()));
    return {};
}

Checked place_command_line(GuestMemory const& memory, std::string_view line, Placed const& kernel, ZeroPage& page)
{
    u64 const allowed = std::min(kernel.command_line_size, layout::command_line_room - 1);
    if (line.size() > allowed)
        return fault(LoadError::command_line_too_long, allowed);
    auto const room = memory.span(layout::command_line, line.size() + 1);
    if (room.empty())
        return fault(LoadError::needs_more_memory, layout::kernel_least);
    copy_bytes(room.data(), line.data(), line.size());
    room[line.size()] = 0;
    page.put(header::command_line, static_cast<u32>(layout::command_line));
    return {};
}

void describe_memory(GuestMemory const& memory, ZeroPage& page)
{
    page.add_range(0, layout::low_end, zero_page::ram);
    page.add_range(layout::low_end, layout::acpi, zero_page::reserved);
    page.add_range(layout::acpi, layout::acpi + layout::acpi_size, zero_page::acpi);
    page.add_range(layout::acpi + layout::acpi_size, layout::kernel_least, zero_page::reserved);
    page.add_range(layout::kernel_least, memory.low_size(), zero_page::ram);
    page.add_range(PciHost::ecam_base, PciHost::ecam_base + PciHost::ecam_size, zero_page::reserved);
    page.add_range(high_memory, high_memory + memory.high_size(), zero_page::ram);
}

bool write_processor_tables(GuestMemory const& memory)
{
    constexpr u64 present_writable = 3, large_leaf = 0x83, directories = layout::page_tables + 2 * page_size;
    bool written = memory.copy_out(layout::page_tables, layout::page_tables + page_size + present_writable);
    for (u64 i = 0; i < 4; i++)
        written &= memory.copy_out(layout::page_tables + page_size + 8 * i, directories + i * page_size + present_writable);
    for (u64 i = 0; i < 4 * 512; i++)
        written &= memory.copy_out(directories + 8 * i, i * large_page + large_leaf);
    // "64-bit Boot Protocol": __BOOT_CS is selector 0x10, __BOOT_DS 0x18.
    u64 const gdt[4] = {0, 0, 0x00af'9b00'0000'ffff, 0x00cf'9300'0000'ffff};
    return written && memory.copy_out(layout::gdt, gdt);
}

} // namespace

Result<LinuxEntry, LoadFault> load_linux(GuestMemory const& memory, LoadRequest const& request)
{
    if (request.kernel.empty())
        return fault(LoadError::kernel_missing);
    ZeroPage page;
    bool const is_elf = request.kernel.size() >= 4 && std::memcmp(request.kernel.data(), "\x7f" "ELF", 4) == 0;
    Placed const kernel = TRY(is_elf ? place_elf(memory, request.kernel, page) : place_bzimage(memory, request.kernel, page));
    if (auto const placed = place_initrd(memory, request.initrd, kernel, page); !placed)
        return std::unexpected(placed.error());
    if (auto const placed = place_command_line(memory, request.command_line, kernel, page); !placed)
        return std::unexpected(placed.error());
    page.put(header::loader_type, header::unknown_loader);
    page.put(zero_page::rsdp, request.rsdp);
    describe_memory(memory, page);
    if (!write_processor_tables(memory) || !page.write(memory))
        return fault(LoadError::needs_more_memory, layout::kernel_least);
    return LinuxEntry{kernel.entry};
}

bool write_reset_vector(GuestMemory const& memory)
{
    constexpr u8 low = Power::reset_port & 0xff, high = Power::reset_port >> 8;
    constexpr u8 code[] = {
        0xba, low, high,                              // mov  $reset_port, %dx
        0xb0, Power::reset_value,                     // mov  $reset_value, %al
        0xee,                                         // out  %al, %dx
        0xf4, 0xeb, 0xfd,                             // hlt, for ever
    };
    return memory.copy_out(layout::reset_vector, code);
}

void start_state(abi::VcpuState& state, LinuxEntry const& entry)
{
    // Segment access rights in VMX format: SDM, "Guest Register State".
    constexpr u32 code = 0xa09b, data = 0xc093, task = 0x8b, unusable = 0x1'0000;
    constexpr u32 limit = 0xffff'ffff;
    constexpr u16 code_selector = 0x10, data_selector = 0x18;
    state = {};
    state.rip = entry.rip;
    state.rflags = 2;
    state.cr0 = 0x8000'0031;                          // PG NE ET PE
    state.cr3 = layout::page_tables;
    state.cr4 = 0x20;                                 // PAE
    state.efer = 0x500;                               // LMA LME
    state.dr7 = 0x400;
    state.cs = {0, limit, code, code_selector, {}};
    for (abi::Segment* segment : {&state.ss, &state.ds, &state.es, &state.fs, &state.gs})
        *segment = {0, limit, data, data_selector, {}};
    state.ldtr = {0, 0, unusable, 0, {}};
    state.tr = {0, 0xffff, task, 0, {}};
    state.gdtr = {layout::gdt, 31, 0};
    state.idtr = {0, 0, 0};
}

Text describe(LoadFault const& fault, std::string_view kernel, std::string_view initrd)
{
    auto const mebibytes = [&] { return (fault.number + large_page - 1) / large_page * 2; };
    switch (fault.error) {
    case LoadError::kernel_missing:        return Text{kernel, ": the file is missing or empty"};
    case LoadError::initrd_missing:        return Text{initrd, ": the file is missing or empty"};
    case LoadError::not_a_kernel:          return Text{kernel, ": not a kernel; a bzImage or an x86-64 ELF file is needed"};
    case LoadError::no_header:             return Text{kernel, ": not a kernel: neither a bzImage (no \"HdrS\" header) nor an ELF file"};
    case LoadError::old_protocol:          return Text{kernel, ": its boot protocol ", Hex{fault.number}, " is too old; 0x20c (Linux 3.8) is the least"};
    case LoadError::not_loaded_high:       return Text{kernel, ": a zImage, which loads below 1 MiB; a bzImage is needed"};
    case LoadError::no_64_bit_entry:       return Text{kernel, ": a 32-bit kernel, or one without 64-bit entry (XLF_KERNEL_64); a 64-bit kernel is needed"};
    case LoadError::bad_setup_size:        return Text{kernel, ": shorter than its header says; the file may be truncated"};
    case LoadError::command_line_too_long: return Text{kernel, ": its command line may have ", fault.number, " bytes, and is longer"};
    case LoadError::bad_elf:               return Text{kernel, ": ", kennel::describe(static_cast<ElfError>(fault.number))};
    case LoadError::segment_outside:       return Text{kernel, ": a segment at ", Hex{fault.number}, "; the lowest address allowed is 0x100000"};
    case LoadError::needs_more_memory:     return Text{kernel, ": needs ", mebibytes(), " MiB of memory, more than the guest has"};
    case LoadError::initrd_does_not_fit:   return Text{initrd, ": does not fit beside the kernel; the guest needs ", mebibytes(), " MiB of memory"};
    case LoadError::no_acpi_room:          return Text{"the guest has less than 2 MiB of memory"};
    }
    return Text{"unknown fault"};
}

} // namespace kennel::service
