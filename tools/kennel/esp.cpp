// SPDX-License-Identifier: Apache-2.0
//
// See esp.hpp.
#include "tools/kennel/esp.hpp"
#include "tools/kennel/process.hpp"

namespace kennel::tool {

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

Or<std::vector<EspFile>> esp_files(Images const& images, Manifest const& manifest, std::vector<Replacement> const& replacements)
{
    std::vector<EspFile> files;
    for (auto const& [path, source] : {std::pair<char const*, fs::path>{"EFI/BOOT/BOOTX64.EFI", images.loader}, {"kennel/hypervisor.elf", images.hypervisor}, {"kennel/service.elf", images.service}})
        files.push_back({path, source, {}, TRY(size_of_file(source))});
    files.push_back({"kennel/manifest", {}, manifest.bytes, manifest.bytes.size()});
    for (PlannedFile const& file : manifest.files)
        files.push_back({"kennel/" + file.name, file.path, {}, file.size});
    for (Replacement const& replacement : replacements) {
        std::erase_if(files, [&](EspFile const& file) { return file.path == replacement.target; });
        if (!replacement.source.empty())
            files.push_back({replacement.target, replacement.source, {}, TRY(size_of_file(replacement.source))});
    }
    return files;
}

} // namespace kennel::tool
