// SPDX-License-Identifier: Apache-2.0
//
// See disk_image.hpp.
#include "tools/kennel/disk_image.hpp"
#include "hv/lib/checksum.hpp"
#include "tools/kennel/sha256.hpp"
#include "tools/kennel/size.hpp"
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <fstream>

namespace kennel::tool {

namespace {

constexpr u64 cylinder = 16 * 63 * 512;      // Bochs takes only whole ones
constexpr usize chunk = 1 << 20;

// Reads a file in parts; hands over each; a fault when it is not `size` bytes long any more.
template <typename Take> Or<void> read_parts(fs::path const& path, u64 size, Take take)
{
    std::ifstream stream{path, std::ios::binary};
    if (!stream)
        return bad_usage("{}: {}", path.string(), std::strerror(errno));
    std::vector<u8> part(chunk);
    u64 done = 0;
    while (stream.read(reinterpret_cast<char*>(part.data()), static_cast<std::streamsize>(part.size())), stream.gcount() > 0) {
        auto const count = static_cast<usize>(stream.gcount());
        if (count > size - done)
            break;
        TRY(take(done, std::span<u8 const>{part}.first(count)));
        done += count;
    }
    if (done != size || (stream.clear(), stream.peek() != std::ifstream::traits_type::eof()))
        return bad_usage("{}: changed while it was read", path.string());
    return {};
}

std::string sum_line(Digest const& digest, std::string_view path) { return std::format("{}  {}\n", digest_text(digest), path); }

bool all_zero(std::span<u8 const> bytes)
{
    return bytes.empty() || (bytes[0] == 0 && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

} // namespace

Or<u64> image_time()
{
    char const* const text = std::getenv("SOURCE_DATE_EPOCH");
    if (text == nullptr || *text == 0)
        return 315'532'800;                  // 1980-01-01, where FAT's time begins
    u64 seconds = 0;
    auto const [end, error] = std::from_chars(text, text + std::strlen(text), seconds);
    if (error != std::errc{} || *end != 0 || seconds > u64{1} << 40)
        return bad_usage("SOURCE_DATE_EPOCH is '{}': seconds since 1970 are wanted, digits only", text);
    return seconds;
}

Or<DiskImage> DiskImage::plan(Images const& images, Manifest const& manifest, std::vector<DataPartition> data, u64 time)
{
    DiskImage image;
    u64 sums_size = 0;
    auto const add = [&](std::string path, fs::path source, std::vector<u8> bytes, u64 size) {
        sums_size += sum_line({}, path).size();
        image.files_.push_back({std::move(path), std::move(source), std::move(bytes), size});
    };
    for (auto const& [path, source] : {std::pair<char const*, fs::path>{"EFI/BOOT/BOOTX64.EFI", images.loader}, {"kennel/hypervisor.elf", images.hypervisor}, {"kennel/service.elf", images.service}})
        add(path, source, {}, TRY(size_of_file(source)));
    add("kennel/manifest", {}, manifest.bytes, manifest.bytes.size());
    for (PlannedFile const& file : manifest.files)
        add("kennel/" + file.name, file.path, {}, file.size);
    image.files_.push_back({std::string{checksums_path}, {}, {}, sums_size});

    // Everything that makes this image what it is, but for the files' content, which may be gigabytes: their sizes stand for it.
    std::string identity = std::format("kennel image {:08x}", crc32(manifest.bytes));
    std::vector<FatFile> files;
    for (EspFile const& file : image.files_) {
        files.push_back({file.path, file.size});
        identity += std::format(" {} {}", file.path, file.size);
    }
    image.gpt_.disk = derived_guid(identity);
    image.esp_.emplace(files, FatOptions{.volume_id = crc32({reinterpret_cast<u8 const*>(identity.data()), identity.size()}), .time = time,
                                         .hidden_sectors = partition_alignment / sector});
    u64 end = partition_alignment;
    auto const place = [&](Guid const& type, Guid const& id, u64 size, std::string name) {
        image.gpt_.partitions.push_back({.type = type, .id = id, .offset = end, .size = size, .name = std::move(name)});
        end = round_up(end + size, partition_alignment);
    };
    place(esp_type, derived_guid(identity + " esp"), image.esp_->size(), "Kennel");
    for (DataPartition const& partition : data)
        place(linux_type, partition.id, partition.size, partition.name);
    image.data_ = std::move(data);
    image.size_ = round_up(end + gpt_end_size, cylinder);
    return image;
}

Or<void> DiskImage::copy(EspFile const& file, u64 offset, Output& output, Progress& progress, std::string& sums) const
{
    Sha256 sum;
    auto const take = [&](u64 at, std::span<u8 const> bytes) -> Or<void> {
        sum.add(bytes);
        TRY(output.write(offset + at, bytes));
        progress.done(bytes.size());
        return {};
    };
    if (file.source.empty())
        TRY(take(0, file.bytes));
    else
        TRY(read_parts(file.source, file.size, take));
    sums += sum_line(sum.finish(), file.path);
    return {};
}

Or<void> DiskImage::write(Output& output, Progress& progress) const
{
    TRY(output.resize(size_));
    for (EspFile const& file : files_)
        progress.expect(file.size);
    for (DataPartition const& partition : data_)
        progress.expect(partition.size);

    auto const [start, end] = make_gpt(gpt_, size_);
    TRY(output.write(0, start));
    TRY(output.write(size_ - end.size(), end));
    u64 const esp = gpt_.partitions[0].offset;
    for (auto const& [offset, bytes] : esp_->pieces())
        TRY(output.write(esp + offset, bytes));
    std::string sums;
    for (usize i = 0; i + 1 < files_.size(); i++)
        TRY(copy(files_[i], esp + esp_->offset_of(i), output, progress, sums));
    TRY(output.write(esp + esp_->offset_of(files_.size() - 1), {reinterpret_cast<u8 const*>(sums.data()), sums.size()}));
    for (usize i = 0; i < data_.size(); i++) {
        if (data_[i].file.empty())
            continue;
        u64 const offset = gpt_.partitions[i + 1].offset;
        TRY(read_parts(data_[i].file, data_[i].size, [&](u64 at, std::span<u8 const> bytes) -> Or<void> {
            if (!all_zero(bytes))
                TRY(output.write(offset + at, bytes));
            progress.done(bytes.size());
            return {};
        }));
    }
    return {};
}

} // namespace kennel::tool
