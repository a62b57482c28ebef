// SPDX-License-Identifier: Apache-2.0
//
// See fat_reader.hpp. Microsoft, "FAT32 File System Specification" (2000); its section titles are cited.
#include "tools/kennel/fat_reader.hpp"
#include <algorithm>
#include <bit>
#include <cstring>

namespace kennel::tool {

namespace {

constexpr u32 deepest = 8;                  // folders
constexpr usize most_entries = 4096;        // files and folders
constexpr u64 most_folder_bytes = 32 << 20; // in all: folders may contain each other, and form a tree without end
constexpr usize largest_folder = 2 << 20;   // bytes: 65536 entries

constexpr u8 attribute_label = 0x08, attribute_folder = 0x10, attribute_long_name = 0x0f;

template <typename T> T at(std::span<u8 const> bytes, usize offset)
{
    T value;
    std::memcpy(&value, bytes.data() + offset, sizeof value);
    return value;
}

char plain(u32 c) { return c > ' ' && c <= '~' && c != '/' ? static_cast<char>(c) : '?'; }

std::string short_name(std::span<u8 const> record)
{
    auto const part = [&](usize from, usize count) {
        std::string text;
        for (usize i = from; i < from + count && record[i] != ' '; i++)
            text += plain(record[i]);
        return text;
    };
    auto const base = part(0, 8), extension = part(8, 3);
    return extension.empty() ? base : base + '.' + extension;
}

// The 13 characters of a long entry, put before those that came earlier: the last part comes first.
std::string long_part(std::span<u8 const> record)
{
    std::string text;
    for (usize const place : {1u, 3u, 5u, 7u, 9u, 14u, 16u, 18u, 20u, 22u, 24u, 28u, 30u}) {
        auto const c = at<u16>(record, place);
        if (c == 0)
            break;
        text += plain(c);
    }
    return text;
}

} // namespace

Bytes Bytes::part(u64 offset, u64 count) const
{
    return {.size = count, .read = [whole = *this, offset, count](u64 from, std::span<u8> into) {
        return from <= count && into.size() <= count - from && whole.read(offset + from, into);
    }};
}

Or<FatReader> FatReader::open(Bytes bytes)
{
    u8 boot[512];
    if (bytes.size < sizeof boot || !bytes.read(0, boot))
        return bad_usage("no FAT file system: it is shorter than one sector");
    std::span<u8 const> const sector{boot};
    u64 const sector_size = at<u16>(sector, 11), cluster_sectors = sector[13], reserved = at<u16>(sector, 14), fats = sector[16], root_entries = at<u16>(sector, 17);
    u64 const total = at<u16>(sector, 19) != 0 ? at<u16>(sector, 19) : at<u32>(sector, 32);
    u64 const fat_sectors = at<u16>(sector, 22) != 0 ? at<u16>(sector, 22) : at<u32>(sector, 36);
    if (at<u16>(sector, 510) != 0xaa55 || sector_size < 512 || sector_size > 4096 || !std::has_single_bit(sector_size) || !std::has_single_bit(cluster_sectors) ||
        reserved == 0 || fats == 0 || fat_sectors == 0)
        return bad_usage("no FAT file system");
    u64 const root_sectors = (root_entries * 32 + sector_size - 1) / sector_size;
    u64 const before_data = reserved + fats * fat_sectors + root_sectors;
    if (total <= before_data || total > bytes.size / sector_size)
        return bad_usage("a FAT file system that does not fit: its header says {} sectors", total);
    u64 const clusters = (total - before_data) / cluster_sectors;
    FatReader reader;
    // "FAT Type Determination": the number of clusters decides, nothing else.
    reader.kind_ = clusters < 4085 ? Kind::fat12 : clusters < 65525 ? Kind::fat16 : Kind::fat32;
    u64 const bits = reader.kind_ == Kind::fat12 ? 12 : reader.kind_ == Kind::fat16 ? 16 : 32;
    if (clusters == 0 || clusters > 0x0fff'fff0 || (clusters + 2) * bits > fat_sectors * sector_size * 8)
        return bad_usage("a FAT file system whose table is too short for its {} clusters", clusters);
    reader.bytes_ = std::move(bytes);
    reader.fat_ = reserved * sector_size;
    reader.root_ = (reserved + fats * fat_sectors) * sector_size;
    reader.root_size_ = root_entries * 32;
    reader.data_ = before_data * sector_size;
    reader.cluster_size_ = cluster_sectors * sector_size;
    reader.clusters_ = static_cast<u32>(clusters);
    reader.root_cluster_ = reader.kind_ == Kind::fat32 ? at<u32>(sector, 44) & 0x0fff'ffff : 0;
    if (reader.kind_ == Kind::fat32 && !reader.exists(reader.root_cluster_))
        return bad_usage("a FAT file system without a root folder");
    return reader;
}

Or<u32> FatReader::next(u32 cluster) const
{
    u8 raw[4] = {};
    u64 const offset = fat_ + (kind_ == Kind::fat12 ? u64{cluster} * 3 / 2 : kind_ == Kind::fat16 ? u64{cluster} * 2 : u64{cluster} * 4);
    if (!bytes_.read(offset, std::span{raw}.first(kind_ == Kind::fat32 ? 4 : 2)))
        return bad_usage("the FAT cannot be read");
    u32 const value = at<u32>(raw, 0);
    u32 const entry = kind_ == Kind::fat32   ? value & 0x0fff'ffff
                      : kind_ == Kind::fat16 ? value & 0xffff
                      : cluster % 2 == 0     ? value & 0xfff
                                             : value >> 4 & 0xfff;
    u32 const end = kind_ == Kind::fat32 ? 0x0fff'fff8 : kind_ == Kind::fat16 ? 0xfff8 : 0xff8;
    if (entry >= end)
        return 0u;
    if (!exists(entry))
        return bad_usage("the FAT leads from cluster {} to {}, which does not exist", cluster, entry);
    return entry;
}

Or<std::vector<u8>> FatReader::folder_bytes(u32 cluster) const
{
    std::vector<u8> folder;
    if (cluster == 0) {
        folder.resize(root_size_);
        if (!bytes_.read(root_, folder))
            return bad_usage("the root folder cannot be read");
        return folder;
    }
    while (cluster != 0) {
        usize const held = folder.size();
        if (held + cluster_size_ > largest_folder)
            return bad_usage("a folder has more than {} bytes, or its clusters form a circle", largest_folder);
        folder.resize(held + cluster_size_);
        if (!bytes_.read(offset_of(cluster), std::span{folder}.subspan(held)))
            return bad_usage("a folder cannot be read");
        cluster = TRY(next(cluster));
    }
    return folder;
}

struct FatReader::Walk {
    std::vector<File> files;
    usize             entries = 0;
    u64               folder_bytes = 0;
    u64               clusters = 0;        // of all files: they share none
};

Or<void> FatReader::walk(Walk& walked, std::string const& path, u32 cluster, u32 depth) const
{
    if (depth > deepest)
        return bad_usage("folders are nested more than {} deep", deepest);
    auto const folder = TRY(folder_bytes(cluster));
    walked.folder_bytes += folder.size();
    if (walked.folder_bytes > most_folder_bytes)
        return bad_usage("its folders have more than {} bytes", most_folder_bytes);
    std::string long_name;
    for (usize i = 0; i + 32 <= folder.size() && folder[i] != 0; i += 32) {
        auto const record = std::span<u8 const>{folder}.subspan(i, 32);
        u8 const attributes = record[11];
        if (record[0] == 0xe5 || ((attributes & attribute_label) != 0 && (attributes & 0x3f) != attribute_long_name)) {
            long_name.clear();
            continue;
        }
        if ((attributes & 0x3f) == attribute_long_name) {
            long_name = long_part(record) + ((record[0] & 0x40) != 0 ? "" : long_name);
            long_name.resize(std::min<usize>(long_name.size(), 255));
            continue;
        }
        std::string const name = long_name.empty() ? short_name(record) : std::exchange(long_name, {});
        u32 const start = (kind_ == Kind::fat32 ? u32{at<u16>(record, 20)} << 16 : 0) | at<u16>(record, 26);
        if (record[0] == '.')                       // this folder, and the one above
            continue;
        if (++walked.entries > most_entries)
            return bad_usage("there are more than {} files and folders", most_entries);
        bool const is_folder = (attributes & attribute_folder) != 0;
        u64 const size = is_folder ? 0 : at<u32>(record, 28);
        if ((start != 0 || is_folder) && !exists(start))
            return bad_usage("{}{} begins at cluster {}, which does not exist", path, name, start);
        if (size != 0 && start == 0)
            return bad_usage("{}{} has {} bytes but no clusters", path, name, size);
        walked.clusters += (size + cluster_size_ - 1) / cluster_size_;
        if (walked.clusters > clusters_)
            return bad_usage("{}{} has {} bytes: more than the file system holds", path, name, size);
        if (is_folder)
            TRY(walk(walked, path + name + '/', start, depth + 1));
        else
            walked.files.push_back({path + name, size, start});
    }
    return {};
}

Or<std::vector<FatReader::File>> FatReader::files() const
{
    Walk walked;
    TRY(walk(walked, "", root_cluster_, 0));
    return std::move(walked.files);
}

Or<void> FatReader::read(File const& file, std::function<void(std::span<u8 const>)> const& take) const
{
    std::vector<u8> cluster_bytes(cluster_size_);
    u32 cluster = file.cluster;
    for (u64 left = file.size; left > 0;) {          // each round takes bytes away: a circle ends with them
        if (cluster == 0)
            return bad_usage("{} is {} bytes shorter than its folder says", file.path, left);
        if (!bytes_.read(offset_of(cluster), cluster_bytes))
            return bad_usage("{} cannot be read", file.path);
        auto const count = static_cast<usize>(std::min<u64>(left, cluster_size_));
        take(std::span<u8 const>{cluster_bytes}.first(count));
        left -= count;
        cluster = TRY(next(cluster));
    }
    return {};
}

Or<std::vector<u8>> FatReader::contents(File const& file, u64 most) const
{
    if (file.size > most)
        return bad_usage("{} has {} bytes; at most {} is possible", file.path, file.size, most);
    std::vector<u8> bytes;
    TRY(read(file, [&](std::span<u8 const> part) { bytes.insert(bytes.end(), part.begin(), part.end()); }));
    return bytes;
}

} // namespace kennel::tool
