// SPDX-License-Identifier: Apache-2.0
//
// Disk images of anybody's making, as `kennel inspect` reads them: partition tables, FAT file systems of every kind, manifests.
// A small FAT12 or FAT16 file system with files in it is laid down first and the input changes bytes of it, so that what lies
// behind the headers is reached.
#include "hv/lib/checksum.hpp"
#include "tests/fuzz/input.hpp"
#include "tools/kennel/inspection.hpp"
#include <algorithm>
#include <cstring>

using namespace kennel;
using namespace kennel::tool;
using namespace kennel::fuzz;

namespace {

std::vector<u8> base(bool partitioned)
{
    std::vector<u8> volume(128 << 10);
    auto const put = [&](usize offset, auto value) { std::memcpy(volume.data() + offset, &value, sizeof value); };
    put(11, u16{512});
    put(13, u8{1});
    put(14, u16{1});                          // reserved
    put(16, u8{1});                           // FATs
    put(17, u16{16});                         // entries of the root folder
    put(19, u16{256});                        // sectors
    put(22, u16{2});                          // sectors of a FAT
    put(510, u16{0xaa55});
    char const root[] = "KENNEL     \x10";
    std::memcpy(volume.data() + 3 * 512, root, 12);
    put(3 * 512 + 26, u16{2});
    char const file[] = "MANIFEST   \x20";
    std::memcpy(volume.data() + 4 * 512, file, 12);
    put(4 * 512 + 26, u16{3});
    put(4 * 512 + 28, u32{100});
    u8 const fat[] = {0xf8, 0xff, 0xff, 0xff, 0xff, 0xff};   // clusters 2 and 3: one each
    std::memcpy(volume.data() + 512, fat, sizeof fat);
    if (!partitioned)
        return volume;
    std::vector<u8> disk(256 << 10);
    auto const [start, end] = make_gpt({.disk = {}, .partitions = {{.type = esp_type, .id = {}, .offset = 64 << 10, .size = 128 << 10, .name = "x"}}}, disk.size());
    std::ranges::copy(start, disk.begin());
    std::ranges::copy(end, disk.end() - static_cast<std::ptrdiff_t>(end.size()));
    std::ranges::copy(volume, disk.begin() + (64 << 10));
    return disk;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(u8 const* data, usize size)
{
    Input input{data, size};
    auto disk = base(input.take<u8>() % 2 == 1);
    while (!input.empty()) {
        usize const offset = input.take<u32>() % disk.size();
        disk[offset] = input.take<u8>();
    }
    Bytes const bytes{.size = disk.size(), .read = [&](u64 offset, std::span<u8> into) {
        if (offset > disk.size() || into.size() > disk.size() - offset)
            return false;
        std::ranges::copy_n(disk.begin() + static_cast<std::ptrdiff_t>(offset), static_cast<std::ptrdiff_t>(into.size()), into.begin());
        return true;
    }};
    auto const found = inspect_image(bytes);
    demand(!found || found->files.size() <= 4096);
    return 0;
}
