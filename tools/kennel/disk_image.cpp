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

DiskImage::DiskImage(std::vector<EspFile> files, std::vector<DataPartition> data, Checksums sums, u64 time)
    : files_{std::move(files)}, sums_{sums}, data_{std::move(data)}
{
    if (sums_ == Checksums::with) {
        u64 size = 0;
        for (EspFile const& file : files_)
            size += sum_line({}, file.path).size();
        files_.push_back({std::string{checksums_path}, {}, {}, size});
    }
    // Everything that makes this image what it is, but for the files' content, which may be gigabytes: their sizes stand for it.
    std::string identity = "kennel image";
    std::vector<FatFile> placed;
    for (EspFile const& file : files_) {
        placed.push_back({file.path, file.size});
        identity += std::format(" {} {} {:08x}", file.path, file.size, crc32(file.bytes));
    }
    gpt_.disk = derived_guid(identity);
    esp_.emplace(placed, FatOptions{.volume_id = crc32({reinterpret_cast<u8 const*>(identity.data()), identity.size()}), .time = time,
                                    .hidden_sectors = partition_alignment / sector});
    u64 end = partition_alignment;
    auto const place = [&](Guid const& type, Guid const& id, u64 size, std::string name) {
        gpt_.partitions.push_back({.type = type, .id = id, .offset = end, .size = size, .name = std::move(name)});
        end = round_up(end + size, partition_alignment);
    };
    place(esp_type, derived_guid(identity + " esp"), esp_->size(), "Kennel");
    for (DataPartition const& partition : data_)
        place(linux_type, partition.id, partition.size, partition.name);
    size_ = round_up(end + gpt_end_size, cylinder);
}

Or<void> DiskImage::copy(EspFile const& file, u64 offset, Output& output, Progress& progress, std::string* sums) const
{
    Sha256 sum;
    auto const take = [&](u64 at, std::span<u8 const> bytes) -> Or<void> {
        if (sums != nullptr)
            sum.add(bytes);
        TRY(output.write(offset + at, bytes));
        progress.done(bytes.size());
        return {};
    };
    if (file.source.empty())
        TRY(take(0, file.bytes));
    else
        TRY(read_parts(file.source, file.size, take));
    if (sums != nullptr)
        *sums += sum_line(sum.finish(), file.path);
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
    bool const summed = sums_ == Checksums::with;
    for (usize i = 0; i < files_.size() - summed; i++)
        TRY(copy(files_[i], esp + esp_->offset_of(i), output, progress, summed ? &sums : nullptr));
    if (summed)
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
