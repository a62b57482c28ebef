// SPDX-License-Identifier: Apache-2.0
//
// What disks are made of, there and back: SHA-256, GUIDs, partition tables, FAT32.
#include "hv/lib/checksum.hpp"
#include "tools/kennel/fat32.hpp"
#include "tools/kennel/fat_reader.hpp"
#include "tools/kennel/gpt.hpp"
#include "tools/kennel/inspection.hpp"
#include "tools/kennel/sha256.hpp"
#include <algorithm>
#include <cstring>
#include <doctest/doctest.h>

using namespace kennel;
using namespace kennel::tool;

namespace {

std::span<u8 const> bytes_of(std::string_view text) { return {reinterpret_cast<u8 const*>(text.data()), text.size()}; }

Bytes readable(std::vector<u8> const& disk)
{
    return {.size = disk.size(), .read = [&disk](u64 offset, std::span<u8> into) {
        if (offset > disk.size() || into.size() > disk.size() - offset)
            return false;
        std::ranges::copy_n(disk.begin() + static_cast<std::ptrdiff_t>(offset), static_cast<std::ptrdiff_t>(into.size()), into.begin());
        return true;
    }};
}

void put(std::vector<u8>& disk, u64 offset, std::span<u8 const> bytes)
{
    REQUIRE(offset + bytes.size() <= disk.size());
    std::ranges::copy(bytes, disk.begin() + static_cast<std::ptrdiff_t>(offset));
}

std::vector<u8> file_system(std::vector<std::pair<std::string, std::string>> const& files, FatOptions const& options = {})
{
    std::vector<FatFile> list;
    for (auto const& [path, text] : files)
        list.push_back({path, text.size()});
    Fat32 const fat{list, options};
    std::vector<u8> disk(fat.size());
    for (auto const& [offset, bytes] : fat.pieces())
        put(disk, offset, bytes);
    for (usize i = 0; i < files.size(); i++)
        put(disk, fat.offset_of(i), bytes_of(files[i].second));
    return disk;
}

constexpr u64 disk_size = 64 << 20;

Gpt two_partitions()
{
    return {.disk = derived_guid("disk"),
            .partitions = {{.type = esp_type, .id = derived_guid("a"), .offset = 1 << 20, .size = 1 << 20, .name = "Kennel"},
                           {.type = linux_type, .id = derived_guid("b"), .offset = 2 << 20, .size = 512, .name = "data"}}};
}

} // namespace

TEST_CASE("image: SHA-256 of known texts, in any pieces")
{
    // FIPS 180-4's own examples, and lengths around the ends of blocks against one another.
    CHECK(digest_text(sha256({})) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    CHECK(digest_text(sha256(bytes_of("abc"))) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK(digest_text(sha256(bytes_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"))) ==
          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    std::string const text(300, 'x');
    for (usize size = 0; size < 200; size++) {
        Sha256 pieces;
        for (usize at = 0; at < size; at += 7)
            pieces.add(bytes_of(text).subspan(at, std::min<usize>(7, size - at)));
        CHECK(pieces.finish() == sha256(bytes_of(text).first(size)));
    }
    std::vector<u8> const million(1'000'000, 'a');
    CHECK(digest_text(sha256(million)) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("image: GUIDs as text")
{
    CHECK(guid_text(esp_type) == "c12a7328-f81f-11d2-ba4b-00a0c93ec93b");
    CHECK(guid_text(linux_type) == "0fc63daf-8483-4772-8e79-3d69d8477de4");
    auto const made = guid_text(derived_guid("words"));
    CHECK(made[14] == '8');
    CHECK(std::string_view{"89ab"}.contains(made[19]));
    CHECK(derived_guid("words") == derived_guid("words"));
    CHECK(derived_guid("words") != derived_guid("word"));
}

TEST_CASE("image: a partition table and its copy say the same")
{
    auto const [start, end] = make_gpt(two_partitions(), disk_size);
    for (auto const& read : {read_gpt(start, disk_size), read_backup_gpt(end, disk_size)}) {
        REQUIRE(read.error == GptError::none);
        CHECK(read.gpt.disk == derived_guid("disk"));
        REQUIRE(read.gpt.partitions.size() == 2);
        CHECK(read.gpt.partitions[0].type == esp_type);
        CHECK(read.gpt.partitions[0].name == "Kennel");
        CHECK(read.gpt.partitions[1].offset == 2 << 20);
        CHECK(read.gpt.partitions[1].size == 512);
    }
    CHECK(start[510] == 0x55);
    CHECK(start[450] == 0xee);
}

TEST_CASE("image: no changed byte of a partition table goes unnoticed")
{
    auto const [start, end] = make_gpt(two_partitions(), disk_size);
    for (usize i = 512; i < start.size(); i++) {
        if (i >= 512 + 92 && i < 1024)                     // behind the header: nobody's
            continue;
        auto broken = start;
        broken[i] ^= 1;
        CHECK(read_gpt(broken, disk_size).error != GptError::none);
    }
    CHECK(read_gpt(std::span{start}.first(600), disk_size).error == GptError::no_signature);
    CHECK(read_backup_gpt(end, disk_size - 512).error != GptError::none);
}

TEST_CASE("image: partitions that cannot be are refused although their checksums are right")
{
    auto const error = [](u64 offset, u64 size) {
        auto gpt = two_partitions();
        gpt.partitions[1].offset = offset;
        gpt.partitions[1].size = size;
        return read_gpt(make_gpt(gpt, disk_size).start, disk_size).error;
    };
    CHECK(error(2 << 20, 1 << 20) == GptError::none);
    CHECK(error((2 << 20) - 512, 1024) == GptError::overlap);
    CHECK(error(0, 512) == GptError::bad_partition);
    CHECK(error(disk_size - 512, 512) == GptError::bad_partition);
    CHECK(error(u64{1} << 50, 512) == GptError::bad_partition);
}

TEST_CASE("image: a FAT32 file system gives back what was put in")
{
    std::vector<std::pair<std::string, std::string>> const files{
        {"EFI/BOOT/BOOTX64.EFI", std::string(700, 'L')}, {"kennel/a-long-name-of-a-file-with-47-letters.imageX", "long"}, {"kennel/empty", ""},
        {"kennel/hypervisor.elf", std::string(5000, 'h')}, {"kennel/HYPERVISOR.EL", "other"}, {"kennel/.hidden", "dot"}, {"kennel/a+b=c.d.e", "odd"}, {"top", "t"}};
    auto const disk = file_system(files, {.volume_id = 7, .time = 1'700'000'000, .hidden_sectors = 2048});
    CHECK(disk == file_system(files, {.volume_id = 7, .time = 1'700'000'000, .hidden_sectors = 2048}));
    auto const reader = FatReader::open(readable(disk));
    REQUIRE(reader);
    auto const found = reader->files();
    REQUIRE(found);
    CHECK(found->size() == files.size());
    for (auto const& [path, text] : files) {
        auto const file = std::ranges::find(*found, path, &FatReader::File::path);
        REQUIRE(file != found->end());
        CHECK(file->size == text.size());
        auto const contents = reader->contents(*file, 1 << 20);
        REQUIRE(contents);
        CHECK(std::ranges::equal(*contents, bytes_of(text)));
    }
}

TEST_CASE("image: more files than a cluster of folder entries, and times outside FAT's")
{
    std::vector<std::pair<std::string, std::string>> files;
    for (int i = 0; i < 100; i++)
        files.push_back({"folder/a name that needs three entries " + std::to_string(i), std::to_string(i)});
    for (u64 const time : {u64{0}, u64{1} << 40}) {
        auto const disk = file_system(files, {.time = time});
        auto const reader = FatReader::open(readable(disk));
        REQUIRE(reader);
        CHECK(reader->files()->size() == 100);
    }
}

TEST_CASE("image: broken file systems end in a fault, not in a loop")
{
    auto const disk = file_system({{"kennel/file", std::string(3000, 'x')}});
    auto const fault = [&](auto change) {
        auto broken = disk;
        change(broken);
        auto const reader = FatReader::open(readable(broken));
        if (!reader)
            return reader.error().text;
        auto const files = reader->files();
        if (!files)
            return files.error().text;
        for (auto const& file : *files)
            if (auto const read = reader->contents(file, 1 << 20); !read)
                return read.error().text;
        return std::string{"none"};
    };
    u64 const fat = 32 * 512;
    auto const entry = [&](u32 cluster, u32 value) {
        return [=](std::vector<u8>& bytes) { std::memcpy(bytes.data() + fat + u64{cluster} * 4, &value, 4); };
    };
    CHECK(fault([](auto&) {}) == "none");
    CHECK(fault([](auto& bytes) { bytes[510] = 0; }) == "no FAT file system");
    CHECK(fault([](auto& bytes) { bytes[13] = 3; }) == "no FAT file system");
    CHECK(fault([](auto& bytes) { bytes[36] = 1, bytes[37] = 0; }).contains("too short for its"));
    CHECK(fault([](auto& bytes) { bytes[35] = 0x7f; }).contains("does not fit"));
    CHECK(fault([](auto& bytes) { bytes[44] = 0; }).contains("without a root folder"));
    CHECK(fault([](auto& bytes) { bytes.resize(bytes.size() / 2); }).contains("does not fit"));
    CHECK(fault(entry(2, 2)).contains("form a circle"));
    CHECK(fault(entry(2, 0x0abc'def0)).contains("does not exist"));
    CHECK(fault(entry(5, 0x0fff'ffff)).contains("shorter than its folder says"));   // the file begins at 4
    CHECK(fault(entry(5, 0)).contains("does not exist"));
}

TEST_CASE("image: what is no image of ours")
{
    auto const fault = [](std::vector<u8> const& disk) {
        auto const found = inspect_image(readable(disk));
        return found ? std::string{"accepted"} : found.error().text;
    };
    CHECK(fault({}) == "too short for a disk: 0 bytes");
    CHECK(fault(std::vector<u8>(1 << 20)).starts_with("neither a GPT nor a FAT"));
    CHECK(fault(file_system({{"readme", "x"}})).starts_with("not an image of Kennel"));
    CHECK(inspect_image(readable(file_system({{"kennel/manifest", "x"}})))->faults.size() == 4);   // three files missing, and no manifest
}
