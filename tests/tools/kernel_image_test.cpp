// SPDX-License-Identifier: Apache-2.0
//
// Kernel files as the launcher reads them, byte for byte.
#include "tools/kennel/kernel_image.hpp"
#include <cstring>
#include <doctest/doctest.h>
#include <string>
#include <vector>

using namespace kennel;
using namespace kennel::tool;

namespace {

struct File {
    std::vector<u8> bytes = std::vector<u8>(8192);
    template <typename T> File& put(usize offset, T value)
    {
        std::memcpy(bytes.data() + offset, &value, sizeof value);
        return *this;
    }
};

// Protocol 2.12, 64-bit, at 16 MiB and 51 MiB large, as the kernels of Debian 12 are.
File bzimage()
{
    File file;
    file.put(0x1f1, u8{1}).put(0x202, u32{0x53726448}).put(0x206, u16{0x20c}).put(0x211, u8{1}).put(0x236, u16{1});
    file.put(0x238, u32{2047}).put(0x258, u64{16} << 20).put(0x260, u32{51} << 20);
    return file;
}

std::string fault(File const& file)
{
    auto const kernel = read_kernel("file", file.bytes);
    return kernel ? "accepted" : kernel.error().text;
}

} // namespace

TEST_CASE("tools: a bzImage's header says what it needs")
{
    auto const kernel = read_kernel("file", bzimage().bytes);
    REQUIRE(kernel);
    CHECK(kernel->end_of_kernel == u64{67} << 20);
    CHECK(kernel->command_line_size == 2047);
    CHECK(least_memory(*kernel, 0) == u64{68} << 20);
    CHECK(least_memory(*kernel, 1) == u64{68} << 20);
    CHECK(least_memory(*kernel, 2 << 20) == u64{70} << 20);
}

TEST_CASE("tools: kernels that cannot run are refused with the reason")
{
    CHECK(fault(bzimage().put(0x202, u32{0})) == "file: not a kernel: neither a Linux bzImage nor an ELF file");
    CHECK(fault(bzimage().put(0x206, u16{0x20b})).contains("boot protocol 2.11 is too old"));
    CHECK(fault(bzimage().put(0x211, u8{0})).contains("zImage"));
    CHECK(fault(bzimage().put(0x236, u16{0})).contains("32-bit"));
    CHECK(fault(bzimage().put(0x1f4, u32{0x10000})).contains("truncated: 8192 bytes, but its header says 1049600"));
    CHECK(fault(bzimage().put(0x258, u64{1} << 40)).contains("not below 4 GiB"));
    File empty;
    empty.bytes.clear();
    CHECK(fault(empty).contains("empty"));
    File elf;
    elf.put(0, u32{0x464c457f});
    CHECK(fault(elf).contains("not a 64-bit little-endian ELF file"));
}

TEST_CASE("tools: no cut of a kernel file is read beyond its end")
{
    auto const whole = bzimage().bytes;
    for (usize size = 0; size < 0x300; size++) {
        std::vector<u8> const part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
        CHECK(!read_kernel("file", part));
    }
}
