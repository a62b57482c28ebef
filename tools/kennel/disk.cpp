// SPDX-License-Identifier: Apache-2.0
//
// See disk.hpp.
#include "tools/kennel/disk.hpp"
#include "tools/kennel/content.hpp"
#include "tools/kennel/size.hpp"
#include <algorithm>
#include <charconv>

namespace kennel::tool {

namespace {

constexpr u64 sector = 512;
constexpr u64 usual_overlay = 64 << 20;
constexpr std::string_view allowed = "ro, overlay, overlay=SIZE, ram, pmem, pmem=lazy, write-through, partition=LABEL and partuuid=UUID are possible";

Or<void> apply(DiskPlan& disk, std::string_view option, std::string_view word)
{
    auto const equals = option.find('=');
    std::string_view const name = option.substr(0, equals), value = equals == option.npos ? std::string_view{} : option.substr(equals + 1);
    bool const has_value = equals != option.npos;
    if (name == "ro" && !has_value)
        disk.read_only = true;
    else if ((name == "ram" || name == "pmem") && disk.kind != abi::MediumKind::drive)
        return bad_usage("--block={}: 'ram' and 'pmem' exclude each other", word);
    else if (name == "ram" && !has_value)
        disk.kind = abi::MediumKind::module;
    else if (auto const way = std::ranges::find(pmem_names, has_value ? value : pmem_names[0]); name == "pmem" && way != std::end(pmem_names))
        disk.become_area(static_cast<usize>(way - std::begin(pmem_names)));
    else if (name == "write-through" && !has_value)
        disk.write_through = true;
    else if (name == "overlay")
        disk.overlay = has_value ? TRY(parse_size(value)) : usual_overlay;
    else if (name == "partition" && !value.empty())
        disk.label = value;
    else if (name == "partuuid" && !value.empty())
        disk.uuid = TRY(parse_uuid(value));
    else
        return bad_usage("--block={}: '{}' is no option of a disk: {}", word, option, allowed);
    return {};
}

std::string serial_of(fs::path const& file)
{
    std::string name = file.filename().string().substr(0, sizeof abi::ManifestDisk::serial);
    std::ranges::replace_if(name, [](char c) { return c < ' ' || c > '~'; }, '_');
    return name;
}

} // namespace

Or<std::array<u8, 16>> parse_uuid(std::string_view text)
{
    auto const bad = [&] { return bad_usage("'{}' is no PARTUUID: 8-4-4-4-12 hexadecimal digits are wanted, as lsblk -o PARTUUID shows them", text); };
    std::array<u8, 16> bytes{};
    usize at = 0;
    for (usize i = 0; i < text.size(); i++) {
        if (i == 8 || i == 13 || i == 18 || i == 23) {
            if (text[i] != '-')
                return bad();
            continue;
        }
        if (at == bytes.size() || i + 1 >= text.size() || std::from_chars(&text[i], &text[i] + 2, bytes[at], 16).ptr != &text[i] + 2)
            return bad();
        i++;
        at++;
    }
    if (at != bytes.size())
        return bad();
    // UEFI Specification, "EFI_GUID": the first three groups are numbers, stored with the low byte first.
    std::ranges::reverse(bytes.begin(), bytes.begin() + 4);
    std::ranges::reverse(bytes.begin() + 4, bytes.begin() + 6);
    std::ranges::reverse(bytes.begin() + 6, bytes.begin() + 8);
    return bytes;
}

Or<DiskPlan> parse_disk(std::string_view word)
{
    DiskPlan disk;
    std::error_code error;
    if (word.starts_with("ram:")) {
        disk.kind = abi::MediumKind::memory;
        disk.bytes = TRY(parse_size(word.substr(4)));
        disk.serial = "ram";
        return disk;
    }
    if (fs::exists(fs::path{word}, error)) {               // a name may have commas in it
        disk.file = word;
        return disk;
    }
    auto comma = word.find(',');
    disk.file = word.substr(0, comma);
    while (comma != word.npos) {
        auto const next = word.find(',', comma + 1);
        TRY(apply(disk, word.substr(comma + 1, next == word.npos ? next : next - comma - 1), word));
        comma = next;
    }
    if (disk.file.empty())
        return bad_usage("--block={}: a file's name is missing", word);
    return disk;
}

Or<void> check_disk(DiskPlan& disk)
{
    bool const blank = disk.kind == abi::MediumKind::memory;
    std::string const name = blank ? "a RAM disk" : disk.file.string();
    if (disk.is_area() && disk.overlay != 0)
        return bad_usage("{}: memory that guests share is only read: no overlay is possible with 'pmem'", name);
    if (disk.read_only && disk.overlay != 0)
        return bad_usage("{}: 'ro' and 'overlay' exclude each other: an overlay leaves the file as it is, and lets the guest write", name);
    if (disk.write_through && !disk.changes_file())
        return bad_usage("{}: 'write-through' is for disks whose file is written to", name);
    if (!(disk.label.empty() && !disk.uuid) && disk.kind != abi::MediumKind::drive)
        return bad_usage("{}: a partition can be chosen only of a drive, not of a disk in RAM", name);
    if (!disk.label.empty() && disk.uuid)
        return bad_usage("{}: a partition is chosen by its label or by its UUID, not by both", name);
    if (disk.label.size() > 36 || !std::ranges::all_of(disk.label, [](char c) { return c >= ' ' && c <= '~'; }))
        return bad_usage("{}: the label '{}' is none: at most 36 printable ASCII characters are possible", name, disk.label);
    if (blank) {
        if (disk.bytes % sector != 0)
            return bad_usage("{}: {} bytes are no multiple of {}", name, disk.bytes, sector);
        return {};
    }
    std::error_code error;
    auto const status = fs::status(disk.file, error);
    if (status.type() == fs::file_type::not_found)
        return bad_usage("{}: no such file", name);
    if (status.type() == fs::file_type::directory)
        return bad_usage("{}: a folder, not a disk's file", name);
    if (status.type() != fs::file_type::regular)
        return bad_usage("{}: not a file", name);
    u64 const size = fs::file_size(disk.file, error);
    if (error)
        return bad_usage("{}: {}", name, error.message());
    if (size == 0)
        return bad_usage("{}: an empty file; a disk has at least one sector of {} bytes", name, sector);
    // A qcow2 file's own size says nothing of the disk in it; an image takes it converted.
    if (!disk.is_area() && size % sector != 0 && recognise(TRY(read_start(disk.file, content_start))) != Content::qcow2)
        return bad_usage("{}: its {} bytes are no multiple of {}, the size of a sector", name, size, sector);
    if ((disk.kind == abi::MediumKind::module || disk.is_area()) && size > largest_file)
        return bad_usage("{}: {} bytes; at most {} can be loaded into RAM", name, size, size_text(largest_file));
    if (disk.serial.empty())
        disk.serial = serial_of(disk.file);
    if (disk.serial.size() > sizeof abi::ManifestDisk::serial || !std::ranges::all_of(disk.serial, [](char c) { return c >= ' ' && c <= '~'; }))
        return bad_usage("{}: the serial '{}' is none: 1 to {} printable ASCII characters are possible", name, disk.serial, sizeof abi::ManifestDisk::serial);
    return {};
}

bool may_share(DiskPlan const& one, DiskPlan const& other)
{
    bool const parts = (!one.label.empty() || one.uuid) && (!other.label.empty() || other.uuid);
    bool const apart = parts && !(one.label == other.label && one.uuid == other.uuid);
    return apart || !(one.changes_file() || other.changes_file());
}

u64 disk_memory(DiskPlan const& disk)
{
    std::error_code error;
    u64 memory = round_up(disk.overlay, large_page);
    if (disk.kind == abi::MediumKind::memory)
        memory += round_up(disk.bytes, large_page);
    if (disk.kind == abi::MediumKind::module)
        if (u64 const size = fs::file_size(disk.file, error); !error)
            memory += size;
    return memory;
}

} // namespace kennel::tool
