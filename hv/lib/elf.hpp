// SPDX-License-Identifier: Apache-2.0
//
// Reads a statically linked x86-64 ELF file: the hypervisor and the service (boot/), an uncompressed kernel (drivers/).
// ElfImage::parse looks at every header field once, keeps checked copies, and hands out only data that lies inside
// the file. Where the segments go is the caller's question: see boot/image.cpp.
#pragma once
#include "hv/lib/result.hpp"
#include "hv/lib/types.hpp"
#include <array>
#include <cstring>
#include <span>

namespace kennel {

enum class ElfError : u32 {
    too_short, not_elf, not_64_bit, not_x86_64, not_executable, bad_program_headers, too_many_segments,
    data_outside_file, data_larger_than_memory, address_wraps, no_segments, entry_outside,
};

// One phrase per fault, to follow "FILE: ".
constexpr char const* describe(ElfError error)
{
    switch (error) {
    case ElfError::too_short:               return "shorter than an ELF header";
    case ElfError::not_elf:                 return "not an ELF file";
    case ElfError::not_64_bit:              return "not a 64-bit little-endian ELF file";
    case ElfError::not_x86_64:              return "an ELF file for another processor than x86-64";
    case ElfError::not_executable:          return "not a statically linked executable (ET_EXEC)";
    case ElfError::bad_program_headers:     return "its program headers lie outside the file; the file may be truncated";
    case ElfError::too_many_segments:       return "it has more than 16 segments";
    case ElfError::data_outside_file:       return "a segment lies outside the file; the file may be truncated";
    case ElfError::data_larger_than_memory: return "a segment has more data than memory";
    case ElfError::address_wraps:           return "a segment's address wraps around";
    case ElfError::no_segments:             return "it has no segment to load";
    case ElfError::entry_outside:           return "its entry point lies in no executable segment";
    }
    return "unknown fault";
}

// One PT_LOAD entry. [virtual_base, virtual_base + memory_size) does not wrap, nor does the physical range.
struct ElfSegment {
    u64                 virtual_base;
    u64                 physical_base;
    u64                 memory_size;   // bytes, never 0; what follows the data is zero
    std::span<u8 const> data;          // data.size() <= memory_size
    bool                readable, writable, executable;
};

class ElfImage {
public:
    static constexpr usize max_segments = 16;

    static Result<ElfImage, ElfError> parse(std::span<u8 const> file)
    {
        FileHeader header;
        if (file.size() < sizeof header)
            return std::unexpected(file.size() >= 4 && !has_magic(file) ? ElfError::not_elf : ElfError::too_short);
        std::memcpy(&header, file.data(), sizeof header);
        if (!has_magic(file))
            return std::unexpected(ElfError::not_elf);
        if (header.ident[4] != class_64 || header.ident[5] != little_endian)
            return std::unexpected(ElfError::not_64_bit);
        if (header.machine != machine_x86_64)
            return std::unexpected(ElfError::not_x86_64);
        if (header.type != type_executable)
            return std::unexpected(ElfError::not_executable);
        if (header.program_size != sizeof(ProgramHeader) || header.program_offset > file.size() ||
            header.program_count > (file.size() - header.program_offset) / sizeof(ProgramHeader))
            return std::unexpected(ElfError::bad_program_headers);

        ElfImage image;
        image.entry_ = header.entry;
        bool entry_found = false;
        for (usize i = 0; i < header.program_count; i++) {
            ProgramHeader program;
            std::memcpy(&program, file.data() + header.program_offset + i * sizeof program, sizeof program);
            if (program.type != segment_load || program.memory_size == 0)
                continue;
            if (image.count_ == max_segments)
                return std::unexpected(ElfError::too_many_segments);
            ElfSegment const& segment = image.segments_[image.count_++] = TRY(check(program, file));
            // A kernel is entered at its physical address; it counts as well.
            for (u64 const base : {segment.virtual_base, segment.physical_base})
                entry_found |= segment.executable && image.entry_ >= base && image.entry_ - base < segment.memory_size;
        }
        if (image.count_ == 0)
            return std::unexpected(ElfError::no_segments);
        if (!entry_found)
            return std::unexpected(ElfError::entry_outside);
        return image;
    }

    u64 entry() const { return entry_; }
    std::span<ElfSegment const> segments() const { return {segments_.data(), count_}; }

private:
    // System V ABI, "ELF Header" and "Program Header".  offset
    struct FileHeader {
        u8  ident[16];                                   //  0
        u16 type;                                        // 16
        u16 machine;                                     // 18
        u32 version;                                     // 20
        u64 entry;                                       // 24
        u64 program_offset;                              // 32
        u64 section_offset;                              // 40
        u32 flags;                                       // 48
        u16 header_size;                                 // 52
        u16 program_size;                                // 54
        u16 program_count;                               // 56
        u16 section_size, section_count, section_names;  // 58
    };
    struct ProgramHeader {
        u32 type;           //  0
        u32 flags;          //  4
        u64 offset;         //  8
        u64 virtual_base;   // 16
        u64 physical_base;  // 24
        u64 file_size;      // 32
        u64 memory_size;    // 40
        u64 alignment;      // 48
    };
    static_assert(sizeof(FileHeader) == 64 && sizeof(ProgramHeader) == 56);

    static constexpr u8  class_64 = 2, little_endian = 1;
    static constexpr u16 machine_x86_64 = 62, type_executable = 2;
    static constexpr u32 segment_load = 1, flag_execute = 1, flag_write = 2, flag_read = 4;

    static bool has_magic(std::span<u8 const> file)
    {
        return file[0] == 0x7f && file[1] == 'E' && file[2] == 'L' && file[3] == 'F';
    }

    static Result<ElfSegment, ElfError> check(ProgramHeader const& program, std::span<u8 const> file)
    {
        if (program.file_size > program.memory_size)
            return std::unexpected(ElfError::data_larger_than_memory);
        if (program.offset > file.size() || program.file_size > file.size() - program.offset)
            return std::unexpected(ElfError::data_outside_file);
        if (program.memory_size > ~program.virtual_base || program.memory_size > ~program.physical_base)
            return std::unexpected(ElfError::address_wraps);
        auto const may = [&](u32 flag) { return (program.flags & flag) != 0; };
        return ElfSegment{program.virtual_base, program.physical_base, program.memory_size, file.subspan(program.offset, program.file_size),
                          may(flag_read), may(flag_write), may(flag_execute)};
    }

    u64                                  entry_ = 0;
    usize                                count_ = 0;
    std::array<ElfSegment, max_segments> segments_{};
};

} // namespace kennel
