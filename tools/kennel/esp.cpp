// SPDX-License-Identifier: Apache-2.0
//
// See esp.hpp.
#include "tools/kennel/esp.hpp"
#include "tools/kennel/process.hpp"
#include "tools/kennel/size.hpp"
#include <algorithm>

namespace kennel::tool {

namespace {

constexpr u64 cylinder = 16 * 63 * 512;   // Bochs takes only whole ones
constexpr u64 smallest = 32 << 20;        // FAT16 with ordinary clusters
constexpr u64 slack    = 4 << 20;         // for the file system's own tables and half-filled clusters

Or<void> require(fs::path const& path)
{
    std::error_code error;
    if (!fs::is_regular_file(path, error))
        return bad_usage("{}: no such file; build it first (cmake --build build)", path.string());
    return {};
}

struct DiskFile {
    std::string target;
    fs::path    source;
};

class Disk {
public:
    Disk(fs::path folder) : folder_{std::move(folder)}, image_{folder_ / "esp.img"} {}

    Or<void> format(u64 bytes)
    {
        u64 const size = round_up(std::max(bytes + slack, smallest), cylinder);
        TRY(write_file(image_, std::string_view{}));
        std::error_code error;
        fs::resize_file(image_, size, error);
        if (error)
            return machine_failed("{}: cannot be made {} bytes large: {}", image_.string(), size, error.message());
        return tool("mkfs.vfat", {"-n", "KENNEL", image_.string()});
    }

    Or<void> folders(std::vector<std::string> const& names)
    {
        std::vector<std::string> arguments{"-i", image_.string()};
        for (auto const& name : names)
            arguments.push_back("::" + name);
        return tool("mmd", arguments);
    }

    Or<void> copy(DiskFile const& file) { return tool("mcopy", {"-i", image_.string(), file.source.string(), "::" + file.target}); }

    fs::path const& image() const { return image_; }

private:
    Or<void> tool(std::string_view name, std::vector<std::string> arguments)
    {
        auto const path = find_program(name);
        if (!path)
            return machine_failed("{} is not installed (tools/setup installs it)", name);
        return run_program({.path = *path, .arguments = std::move(arguments), .folder = folder_, .output = folder_ / "disk.log"});
    }

    fs::path folder_, image_;
};

void replace(std::vector<DiskFile>& files, Replacement const& replacement)
{
    std::erase_if(files, [&](DiskFile const& file) { return file.target == replacement.target; });
    if (!replacement.source.empty())
        files.push_back({replacement.target, replacement.source});
}

} // namespace

Images find_images(fs::path const& folder)
{
    fs::path base = folder;
    std::error_code error;
    if (base.empty()) {
        base = own_folder();
        if (fs::path const installed = base / "../lib/kennel"; !fs::exists(base / "boot/BOOTX64.EFI", error) && fs::exists(installed, error))
            base = fs::canonical(installed, error);
    }
    return {.loader = base / "boot/BOOTX64.EFI", .hypervisor = base / "hv/hypervisor.elf", .service = base / "drivers/service.elf"};
}

Or<fs::path> make_esp(Images const& images, Manifest const& manifest, std::vector<Replacement> const& replacements, fs::path const& folder)
{
    TRY(write_file(folder / "manifest", manifest.bytes));
    std::vector<DiskFile> files{
        {"/EFI/BOOT/BOOTX64.EFI",   images.loader},
        {"/kennel/hypervisor.elf",  images.hypervisor},
        {"/kennel/service.elf",     images.service},
        {"/kennel/manifest",        folder / "manifest"},
    };
    for (PlannedFile const& file : manifest.files)
        files.push_back({"/kennel/" + file.name, file.path});
    for (Replacement const& replacement : replacements)
        replace(files, replacement);

    u64 bytes = 0;
    for (DiskFile const& file : files) {
        TRY(require(file.source));
        bytes += round_up(fs::file_size(file.source), 32 << 10);
    }
    Disk disk{folder};
    TRY(disk.format(bytes));
    TRY(disk.folders({"/EFI", "/EFI/BOOT", "/kennel"}));
    for (DiskFile const& file : files)
        TRY(disk.copy(file));
    return disk.image();
}

} // namespace kennel::tool
