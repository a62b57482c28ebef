// SPDX-License-Identifier: Apache-2.0
#include "hv/lib/elf.hpp"
#include <doctest/doctest.h>
#include <set>
#include <string>
#include <vector>

using namespace kennel;

namespace {

// A file of one segment, built by offsets of the System V ABI so that the test does not share the reader's structs.
struct File {
    std::vector<u8> bytes = std::vector<u8>(0x200, 0);

    template<class T> File& put(usize offset, T value)
    {
        std::memcpy(&bytes[offset], &value, sizeof value);
        return *this;
    }
    File()
    {
        put<u32>(0, 0x464c457f).put<u8>(4, 2).put<u8>(5, 1).put<u8>(6, 1);
        put<u16>(16, 2).put<u16>(18, 62).put<u32>(20, 1).put<u64>(24, 0x20'0010).put<u64>(32, 64).put<u16>(52, 64).put<u16>(54, 56).put<u16>(56, 1);
        segment(0, 0x100, 0x20'0000, 0x80, 0x1000);
    }
    File& segment(usize n, u64 offset, u64 address, u64 file_size, u64 memory_size)
    {
        usize const at = 64 + 56 * n;
        return put<u32>(at, 1).put<u32>(at + 4, 5).put<u64>(at + 8, offset).put<u64>(at + 16, address).put<u64>(at + 24, address)
            .put<u64>(at + 32, file_size).put<u64>(at + 40, memory_size).put<u64>(at + 48, 0x1000);
    }
    auto parse() const { return ElfImage::parse(bytes); }
};

#define CHECK_FAULT(file, fault)                     \
    do {                                             \
        auto const parsed_ = (file).parse();         \
        REQUIRE_FALSE(parsed_.has_value());          \
        CHECK(parsed_.error() == ElfError::fault);   \
    } while (false)

} // namespace

TEST_CASE("elf: a good file gives its entry and its segments")
{
    File const file;
    auto const image = file.parse();
    REQUIRE(image.has_value());
    CHECK(image->entry() == 0x20'0010);
    REQUIRE(image->segments().size() == 1);
    ElfSegment const& segment = image->segments()[0];
    CHECK(segment.virtual_base == 0x20'0000);
    CHECK(segment.memory_size == 0x1000);
    CHECK(segment.data.data() == file.bytes.data() + 0x100);
    CHECK(segment.data.size() == 0x80);
    CHECK(segment.executable);
    CHECK_FALSE(segment.writable);
}

TEST_CASE("elf: every length of a truncated file is refused")
{
    File whole;
    for (usize length = 0; length < 0x180; length++)
        CHECK_FALSE(ElfImage::parse(std::span<u8 const>{whole.bytes}.first(length)).has_value());
    CHECK(ElfImage::parse(std::span<u8 const>{whole.bytes}.first(0x180)).has_value());
}

TEST_CASE("elf: each wrong header is named")
{
    CHECK_FAULT(File{}.put<u8>(0, 0), not_elf);
    CHECK_FAULT(File{}.put<u8>(4, 1), not_64_bit);
    CHECK_FAULT(File{}.put<u8>(5, 2), not_64_bit);
    CHECK_FAULT(File{}.put<u16>(18, 183), not_x86_64);
    CHECK_FAULT(File{}.put<u16>(16, 3), not_executable);
    CHECK_FAULT(File{}.put<u16>(54, 32), bad_program_headers);
    CHECK_FAULT(File{}.put<u64>(32, ~0ull), bad_program_headers);
    CHECK_FAULT(File{}.put<u64>(32, ~0ull - 55), bad_program_headers);
    CHECK_FAULT(File{}.put<u16>(56, 0xffff), bad_program_headers);
    CHECK_FAULT(File{}.put<u16>(56, 0), no_segments);
    CHECK_FAULT(File{}.put<u64>(24, 0x100), entry_outside);
}

TEST_CASE("elf: segments that reach beyond the file, wrap, or have more data than memory")
{
    CHECK_FAULT(File{}.segment(0, 0x100, 0x20'0000, 0x101, 0x1000), data_outside_file);
    CHECK_FAULT(File{}.segment(0, ~0ull, 0x20'0000, 2, 0x1000), data_outside_file);
    CHECK_FAULT(File{}.segment(0, 0x100, 0x20'0000, ~0ull, ~0ull), data_outside_file);
    CHECK_FAULT(File{}.segment(0, 0x100, 0x20'0000, 0x80, 0x7f), data_larger_than_memory);
    CHECK_FAULT(File{}.segment(0, 0x100, ~0ull - 0x10, 0x80, 0x1000), address_wraps);
}

TEST_CASE("elf: every fault has a phrase of its own")
{
    std::set<std::string> seen;
    for (u32 i = 0; i <= static_cast<u32>(ElfError::entry_outside); i++)
        CHECK(seen.insert(describe(static_cast<ElfError>(i))).second);
}
