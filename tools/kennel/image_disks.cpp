// SPDX-License-Identifier: Apache-2.0
//
// See image_disks.hpp.
#include "tools/kennel/image_disks.hpp"
#include "tools/kennel/content.hpp"
#include "tools/kennel/process.hpp"
#include "tools/kennel/size.hpp"
#include "tools/kennel/terminal.hpp"
#include <algorithm>

namespace kennel::tool {

namespace {

// A big-endian number of a qcow2 header. QEMU, docs/interop/qcow2.txt, "Header".
u64 number_at(std::span<u8 const> header, usize offset, usize size)
{
    u64 value = 0;
    for (usize i = 0; i < size; i++)
        value = value << 8 | header[offset + i];
    return value;
}

// What makes a qcow2 file more than itself: qemu-img would read other files for it, whatever their names say.
Or<void> require_self_contained(fs::path const& file)
{
    auto const header = TRY(read_start(file, 104));
    if (header.size() < 72)
        return bad_usage("{}: a qcow2 disk, but cut short", file.string());
    constexpr u64 external_data = 4;         // of the incompatible features, from version 3 on
    if (number_at(header, 8, 8) != 0)
        return bad_usage("{}: a qcow2 disk on top of another file: make one of both first (qemu-img convert)", file.string());
    if (number_at(header, 4, 4) >= 3 && header.size() >= 80 && (number_at(header, 72, 8) & external_data) != 0)
        return bad_usage("{}: a qcow2 disk whose data is in another file: make one of both first (qemu-img convert)", file.string());
    return {};
}

Or<fs::path> converted(fs::path const& file, fs::path const& folder, usize number)
{
    TRY(require_self_contained(file));
    auto const program = find_program("qemu-img");
    if (!program)
        return machine_failed("{}: a qcow2 disk, and qemu-img is not installed (apt install qemu-utils)", file.string());
    fs::path const raw = folder / std::format("disk{}.raw", number);
    if (use_colours(2))
        say("converting {}", file.string());
    auto const done = run_program({.path = *program, .arguments = {"convert", "-f", "qcow2", "-O", "raw", fs::absolute(file).string(), raw.string()},
                                   .folder = folder, .output = folder / "convert.log"});
    if (!done)
        return bad_usage("{}: {}", file.string(), done.error().text);
    return raw;
}

} // namespace

Or<bool> is_qcow2(fs::path const& file) { return recognise(TRY(read_start(file, content_start))) == Content::qcow2; }

Or<std::vector<DataPartition>> move_disks_into_image(Plan& plan, fs::path const& folder)
{
    std::vector<DataPartition> partitions;
    std::vector<fs::path> origins;           // of each, as the configuration says it
    // Two images with other guests have other PARTUUIDs; the same configuration has the same.
    std::string identity = "kennel disk";
    for (GuestPlan const& guest : plan.guests)
        identity += std::format(" {} {} {}", guest.name, guest.memory, guest.command_line);
    for (GuestPlan& guest : plan.guests)
        for (usize i = 0; i < guest.disks.size(); i++) {
            DiskPlan& disk = guest.disks[i];
            if ((disk.kind == abi::MediumKind::module || disk.is_area()) && TRY(is_qcow2(disk.file)))
                return bad_usage("guest {}: {}: a qcow2 disk cannot be loaded into memory: convert it first (qemu-img convert -O raw)", guest.name, disk.file.string());
            if (disk.kind != abi::MediumKind::drive)
                continue;
            if (!disk.label.empty() || disk.uuid)
                return bad_usage("guest {}: {}: a partition of a disk's file cannot be put into an image yet: give the guest the whole file", guest.name, disk.file.string());
            auto const origin = TRY(canonical_path(disk.file));
            auto known = static_cast<usize>(std::ranges::find(origins, origin) - origins.begin());
            if (known == origins.size()) {
                auto const raw = TRY(is_qcow2(origin)) ? TRY(converted(origin, folder, known)) : origin;
                u64 const size = TRY(size_of_file(raw));
                if (size == 0 || size % sector != 0)
                    return bad_usage("{}: its {} bytes are no multiple of {}, the size of a sector", disk.file.string(), size, sector);
                origins.push_back(origin);
                partitions.push_back({.name = std::format("{} {}", guest.name, i).substr(0, 36), .id = derived_guid(std::format("{} {} {}", identity, guest.name, i)),
                                      .file = raw, .size = size});
            }
            disk.uuid = partitions[known].id;
            disk.own_drive = true;
        }
    if (partitions.size() + 1 > 128)
        return bad_usage("{} disks: an image has at most 127", partitions.size());
    return partitions;
}

} // namespace kennel::tool
