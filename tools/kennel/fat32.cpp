// SPDX-License-Identifier: Apache-2.0
//
// See fat32.hpp.
#include "tools/kennel/fat32.hpp"
#include "tools/kennel/size.hpp"
#include <algorithm>
#include <chrono>
#include <cstring>

namespace kennel::tool {

namespace {

constexpr u64 sector = 512;
constexpr u32 reserved_sectors = 32;
constexpr u32 fat_count = 2;
constexpr u32 first_cluster = 2;             // the first that exists; the root folder's
constexpr u32 fewest_clusters = 66'000;      // below 65,525 it would be FAT16; some readers are off by a few
constexpr u32 spare_clusters = 64;
constexpr u32 end_of_chain = 0x0fff'ffff;

constexpr u8 attribute_label = 0x08, attribute_folder = 0x10, attribute_archive = 0x20, attribute_long_name = 0x0f;

template <typename T> void put(std::vector<u8>& bytes, usize offset, T value)
{
    std::memcpy(bytes.data() + offset, &value, sizeof value);
}
void put(std::vector<u8>& bytes, usize offset, std::string_view text)
{
    std::memcpy(bytes.data() + offset, text.data(), text.size());
}

struct Stamp { u16 date, time; };

// "Date and Time Formats"
Stamp stamp_of(u64 seconds)
{
    using namespace std::chrono;
    constexpr u64 first = 315'532'800, last = 4'354'819'198;   // 1980-01-01 and 2107-12-31
    sys_seconds const moment{std::chrono::seconds{std::clamp(seconds, first, last)}};
    auto const day = floor<days>(moment);
    year_month_day const date{day};
    hh_mm_ss const time{moment - day};
    auto const year = static_cast<u32>(static_cast<int>(date.year()) - 1980);
    return {.date = static_cast<u16>(year << 9 | static_cast<u32>(date.month()) << 5 | static_cast<u32>(date.day())),
            .time = static_cast<u16>(time.hours().count() << 11 | time.minutes().count() << 5 | time.seconds().count() / 2)};
}

bool is_short_character(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || std::string_view{"!#$%&'()-@^_`{}~"}.contains(c);
}

std::string upper(std::string_view text)
{
    std::string result{text};
    std::ranges::transform(result, result.begin(), [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
    return result;
}

// The 11 bytes of "NAME.EXT"; empty where the name does not fit into them.
std::string short_form(std::string_view name)
{
    auto const dot = name.rfind('.');
    auto const base = name.substr(0, dot), extension = dot == name.npos ? std::string_view{} : name.substr(dot + 1);
    if (base.empty() || base.size() > 8 || extension.size() > 3 || (dot != name.npos && extension.empty()) ||
        !std::ranges::all_of(base, is_short_character) || !std::ranges::all_of(extension, is_short_character))
        return {};
    return std::string{base} + std::string(8 - base.size(), ' ') + std::string{extension} + std::string(3 - extension.size(), ' ');
}

// "NAME~1  EXT" for a name that is too long or has other characters, unlike all of `taken`.
std::string substitute(std::string_view name, std::vector<std::string> const& taken)
{
    auto const big = upper(name);
    auto const dot = big.rfind('.');
    auto const kept = [](std::string_view text, usize most) {
        std::string result;
        for (char const c : text)
            if (is_short_character(c) && result.size() < most)
                result += c;
        return result;
    };
    std::string const extension = dot == big.npos || dot == 0 ? "" : kept(std::string_view{big}.substr(dot + 1), 3);
    for (u32 number = 1;; number++) {
        std::string const tail = std::format("~{}", number);
        std::string base = kept(std::string_view{big}.substr(0, dot == 0 ? big.npos : dot), 8 - tail.size()) + tail;
        base.resize(8, ' ');
        std::string candidate = base + extension;
        candidate.resize(11, ' ');
        if (!std::ranges::contains(taken, candidate))
            return candidate;
    }
}

// "Long Directory Entries": the sum that ties them to the short entry.
u8 short_name_sum(std::string_view name)
{
    u32 sum = 0;
    for (char const c : name)
        sum = ((sum & 1) << 7 | (sum & 0xff) >> 1) + static_cast<u8>(c);
    return static_cast<u8>(sum);
}

using Record = std::vector<u8>;   // 32 bytes

Record short_entry(std::string_view name, u8 attributes, Stamp stamp, u32 cluster, u32 size)
{
    Record record(32);
    put(record, 0, name);
    record[11] = attributes;
    put(record, 14, stamp.time);             // created
    put(record, 16, stamp.date);
    put(record, 18, stamp.date);             // last read
    put(record, 20, static_cast<u16>(cluster >> 16));
    put(record, 22, stamp.time);             // last written
    put(record, 24, stamp.date);
    put(record, 26, static_cast<u16>(cluster));
    put(record, 28, size);
    return record;
}

// From the last part of the name to the first; 13 characters each, a 0 after the last, then all ones.
std::vector<Record> long_entries(std::string_view name, u8 sum)
{
    constexpr u8 places[13] = {1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30};
    usize const count = (name.size() + 12) / 13;
    std::vector<Record> records;
    for (usize part = count; part > 0; part--) {
        Record record(32);
        record[0] = static_cast<u8>(part | (part == count ? 0x40 : 0));
        record[11] = attribute_long_name;
        record[13] = sum;
        for (usize i = 0; i < 13; i++) {
            usize const at = (part - 1) * 13 + i;
            put(record, places[i], static_cast<u16>(at < name.size() ? name[at] : at == name.size() ? 0 : 0xffff));
        }
        records.push_back(std::move(record));
    }
    return records;
}

} // namespace

// A folder or file of the tree.
struct Fat32::Node {
    std::string       name;
    std::string       short_name{};            // 11 bytes
    bool              needs_long_name = false;
    bool              is_folder = true;
    usize             file = 0;              // index into the files
    u64               size = 0;              // of a file
    u32               cluster = 0, clusters = 0;
    std::vector<Node> children{};

    usize entries() const                    // of 32 bytes, for this folder
    {
        usize count = 2;                     // the label, or . and ..
        for (Node const& child : children)
            count += 1 + (child.needs_long_name ? (child.name.size() + 12) / 13 : 0);
        return count;
    }
};

struct Fat32::Planner {
    Fat32&     result;
    FatOptions options;
    Stamp      stamp;
    u64        cluster_size = sector;
    u32        next = first_cluster;
    u64        data_start = 0;               // bytes
    std::vector<u32> table;                  // the FAT

    static void insert(Node& folder, std::string_view path, usize file, u64 size)
    {
        auto const slash = path.find('/');
        std::string const name{path.substr(0, slash)};
        auto found = std::ranges::find(folder.children, name, &Node::name);
        if (found == folder.children.end()) {
            folder.children.push_back({.name = name});
            found = folder.children.end() - 1;
        }
        if (slash != path.npos)
            return insert(*found, path.substr(slash + 1), file, size);
        found->is_folder = false;
        found->file = file;
        found->size = size;
    }

    // Names that are short already come first, so that a substitute never takes theirs.
    static void name_children(Node& folder)
    {
        std::vector<std::string> taken;
        for (Node& child : folder.children)
            if (auto const big = upper(child.name); !short_form(big).empty()) {
                child.short_name = short_form(big);
                child.needs_long_name = big != child.name;
                taken.push_back(child.short_name);
            }
        for (Node& child : folder.children) {
            if (child.short_name.empty()) {
                child.short_name = substitute(child.name, taken);
                child.needs_long_name = true;
                taken.push_back(child.short_name);
            }
            name_children(child);
        }
    }

    u64 clusters_for(u64 bytes) const { return (bytes + cluster_size - 1) / cluster_size; }

    u64 count(Node const& node) const
    {
        u64 clusters = node.is_folder ? clusters_for(node.entries() * 32) : clusters_for(node.size);
        for (Node const& child : node.children)
            clusters += count(child);
        return clusters;
    }

    void place(Node& node)
    {
        node.clusters = static_cast<u32>(node.is_folder ? clusters_for(node.entries() * 32) : clusters_for(node.size));
        node.cluster = node.clusters == 0 ? 0 : next;
        for (u32 i = 0; i < node.clusters; i++)
            table[next + i] = i + 1 < node.clusters ? next + i + 1 : end_of_chain;
        next += node.clusters;
        if (!node.is_folder)
            result.offsets_[node.file] = offset_of(node.cluster);
        for (Node& child : node.children)
            place(child);
    }

    u64 offset_of(u32 cluster) const { return cluster == 0 ? 0 : data_start + u64{cluster - first_cluster} * cluster_size; }

    void write_folder(Node const& folder, Node const* parent)
    {
        std::vector<u8> bytes;
        auto const append = [&](Record const& record) { bytes.insert(bytes.end(), record.begin(), record.end()); };
        if (parent == nullptr) {
            append(short_entry("KENNEL     ", attribute_label, stamp, 0, 0));
        } else {
            bool const below_root = parent->cluster == first_cluster;
            append(short_entry(".          ", attribute_folder, stamp, folder.cluster, 0));
            append(short_entry("..         ", attribute_folder, stamp, below_root ? 0 : parent->cluster, 0));
        }
        for (Node const& child : folder.children) {
            if (child.needs_long_name)
                for (auto const& record : long_entries(child.name, short_name_sum(child.short_name)))
                    append(record);
            append(short_entry(child.short_name, child.is_folder ? attribute_folder : attribute_archive, stamp, child.cluster, static_cast<u32>(child.size)));
        }
        result.pieces_.push_back({offset_of(folder.cluster), std::move(bytes)});
        for (Node const& child : folder.children)
            if (child.is_folder)
                write_folder(child, &folder);
    }

    // "Boot Sector and BPB", "FAT32 FSInfo Sector Structure and Backup Boot Sector"
    void write_boot_sectors(u32 fat_sectors, u32 clusters)
    {
        std::vector<u8> boot(sector);
        put(boot, 0, std::string_view{"\xeb\x58\x90KENNEL  "});
        put(boot, 11, static_cast<u16>(sector));
        put(boot, 13, static_cast<u8>(cluster_size / sector));
        put(boot, 14, static_cast<u16>(reserved_sectors));
        put(boot, 16, static_cast<u8>(fat_count));
        put(boot, 21, u8{0xf8});
        put(boot, 24, u16{63});              // sectors and heads: nobody asks
        put(boot, 26, u16{255});
        put(boot, 28, options.hidden_sectors);
        put(boot, 32, static_cast<u32>(result.size_ / sector));
        put(boot, 36, fat_sectors);
        put(boot, 44, first_cluster);
        put(boot, 48, u16{1});               // FSInfo
        put(boot, 50, u16{6});               // the backup
        put(boot, 64, u8{0x80});
        put(boot, 66, u8{0x29});
        put(boot, 67, options.volume_id);
        put(boot, 71, std::string_view{"KENNEL     FAT32   "});
        put(boot, 90, std::string_view{"\xf4\xeb\xfd"});   // a BIOS that starts it halts: hlt, and again
        put(boot, 510, u16{0xaa55});
        std::vector<u8> info(sector);
        put(info, 0, u32{0x4161'5252});
        put(info, 484, u32{0x6141'7272});
        put(info, 488, clusters + first_cluster - next);
        put(info, 492, next);
        put(info, 510, u16{0xaa55});
        for (u64 const at : {u64{0}, u64{6}}) {
            result.pieces_.push_back({at * sector, boot});
            result.pieces_.push_back({(at + 1) * sector, info});
        }
    }

    void plan(std::vector<FatFile> const& files)
    {
        Node root{.name = {}};
        for (usize i = 0; i < files.size(); i++)
            insert(root, files[i].path, i, files[i].size);
        name_children(root);
        // Clusters as large as the number of files' bytes allows: fewer of them are read faster.
        for (u64 larger = cluster_size * 2; larger <= 32 << 10; larger *= 2) {
            u64 const before = std::exchange(cluster_size, larger);
            if (count(root) + spare_clusters < fewest_clusters) {
                cluster_size = before;
                break;
            }
        }
        auto const clusters = static_cast<u32>(std::max<u64>(count(root) + spare_clusters, fewest_clusters));
        auto const fat_sectors = static_cast<u32>(round_up((u64{clusters} + first_cluster) * 4, sector) / sector);
        data_start = (reserved_sectors + u64{fat_count} * fat_sectors) * sector;
        result.size_ = data_start + clusters * cluster_size;
        result.offsets_.resize(files.size());
        table.assign(fat_sectors * sector / 4, 0);
        table[0] = 0x0fff'fff8;
        table[1] = end_of_chain;
        place(root);

        write_boot_sectors(fat_sectors, clusters);
        std::vector<u8> used(round_up(next * 4, sector));
        std::memcpy(used.data(), table.data(), used.size());
        for (u32 i = 0; i < fat_count; i++)
            result.pieces_.push_back({(reserved_sectors + u64{i} * fat_sectors) * sector, used});
        write_folder(root, nullptr);
    }
};

Fat32::Fat32(std::vector<FatFile> const& files, FatOptions const& options)
{
    Planner{.result = *this, .options = options, .stamp = stamp_of(options.time), .table = {}}.plan(files);
}

} // namespace kennel::tool
