// SPDX-License-Identifier: Apache-2.0
//
// A disk of the manifest, checked: what a guest's disk is to be made of. The manifest is a file, so nothing in it is believed;
// above all nobody may write into a file that somebody else uses.
#pragma once
#include "drivers/block/gpt.hpp"
#include "hv/lib/manifest.hpp"

namespace kennel::service {

enum class DiskFault : u8 { guest, serial, kind, options, source, devices, bytes, overlay, partition, shared };

constexpr std::string_view describe(DiskFault fault)
{
    switch (fault) {
    case DiskFault::guest:     return "its guest does not exist";
    case DiskFault::serial:    return "its serial number is empty or not printable";
    case DiskFault::kind:      return "its kind is unknown";
    case DiskFault::options:   return "its options are unknown, or exclude each other";
    case DiskFault::source:    return "it is no file of its service, or no drive from 0 to 3";
    case DiskFault::devices:   return "a drive is wanted by a service that does not own the devices";
    case DiskFault::bytes:     return "its size is 0, too large or no multiple of 512";
    case DiskFault::overlay:   return "its overlay is too large";
    case DiskFault::partition: return "its partition's label is empty or not printable";
    case DiskFault::shared:    return "it would write to a file that is used elsewhere, too";
    }
    return "";
}

struct DiskRecipe {
    static constexpr u64 largest = 1ull << 40;        // bytes of RAM
    static constexpr u32 drives = 4;

    abi::ManifestDisk entry;                          // its label lies here
    std::string_view  serial() const { return text(entry.serial); }
    bool has(abi::DiskOption option) const { return (entry.options & static_cast<u32>(option)) != 0; }
    bool read_only() const { return has(abi::DiskOption::read_only); }
    bool is_area() const { return entry.kind == abi::MediumKind::area; }
    // Who writes to the medium itself.
    bool changes_medium() const { return !read_only() && entry.overlay == 0; }

    // Valid as long as this is.
    PartSelector part() const
    {
        PartSelector selector;
        if (has(abi::DiskOption::by_uuid)) {
            selector.by = PartSelector::By::uuid;
            std::memcpy(selector.uuid.data(), entry.partition, selector.uuid.size());
        } else if (has(abi::DiskOption::by_label)) {
            selector.by = PartSelector::By::label;
            selector.label = text(entry.partition);
        }
        return selector;
    }

    static Result<DiskRecipe, DiskFault> read(ManifestReader const& manifest, u32 number)
    {
        using enum DiskFault;
        DiskRecipe recipe{manifest.disk(number)};
        abi::ManifestDisk const& entry = recipe.entry;
        bool const label = recipe.has(abi::DiskOption::by_label), uuid = recipe.has(abi::DiskOption::by_uuid);
        bool const is_drive = entry.kind == abi::MediumKind::drive;
        if (entry.guest >= manifest.guest_count())
            return Err(guest);
        u32 const service = manifest.guest(entry.guest).service;
        if (!is_printable(recipe.serial()))
            return Err(serial);
        if (entry.kind > abi::MediumKind::area)
            return Err(kind);
        if ((entry.options & ~31u) != 0 || (label && uuid) || ((label || uuid) && !is_drive) || (recipe.read_only() && entry.overlay != 0) ||
            (recipe.has(abi::DiskOption::write_through) && (!is_drive || !recipe.changes_medium())) ||
            (recipe.is_area() ? !recipe.read_only() : recipe.has(abi::DiskOption::lazy)))
            return Err(options);
        bool const wants_bytes = entry.kind == abi::MediumKind::memory;
        if (wants_bytes ? entry.bytes == 0 || entry.bytes > largest || entry.bytes % sector_bytes != 0 : entry.bytes != 0)
            return Err(bytes);
        if (entry.overlay > largest)
            return Err(overlay);
        if (is_drive && entry.source >= drives)
            return Err(source);
        if (is_drive && manifest.service(service).owns_devices == 0)
            return Err(devices);
        if (entry.kind == abi::MediumKind::module || recipe.is_area()) {
            if (entry.source >= manifest.file_count() || !ManifestReader::belongs_to(manifest.file(entry.source), service))
                return Err(source);
            if (recipe.changes_medium() && users_of(manifest, entry.source, service) != 1)
                return Err(shared);
        }
        if (label && (recipe.part().label.size() > 36 || !is_printable(recipe.part().label)))
            return Err(partition);
        return recipe;
    }

private:
    template<usize size> static std::string_view text(char const (&field)[size]) { return {field, std::find(field, field + size, '\0')}; }

    static bool is_printable(std::string_view name)
    {
        return !name.empty() && std::ranges::all_of(name, [](char c) { return c >= ' ' && c <= '~'; });
    }

    // How often a file of this service is used: as kernel, as initrd, as a disk or an area.
    static u32 users_of(ManifestReader const& manifest, u32 file, u32 service)
    {
        u32 count = 0;
        for (u32 i = 0; i < manifest.guest_count(); i++)
            if (auto const guest = manifest.guest(i); guest.service == service)
                count += (guest.kernel == file) + (guest.initrd == file);
        for (u32 i = 0; i < manifest.disk_count(); i++)
            if (auto const disk = manifest.disk(i); (disk.kind == abi::MediumKind::module || disk.kind == abi::MediumKind::area) && disk.source == file)
                count += disk.guest < manifest.guest_count() && manifest.guest(disk.guest).service == service;
        return count;
    }
};

} // namespace kennel::service
