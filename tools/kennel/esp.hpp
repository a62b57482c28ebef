// SPDX-License-Identifier: Apache-2.0
//
// What the loader finds in the EFI system partition it is started from: itself, Kennel's images, the manifest and the guests' files.
#pragma once
#include "tools/kennel/manifest.hpp"

namespace kennel::tool {

struct Images {
    fs::path loader, hypervisor, service;
};

// In `folder`; by default where this program was built, or where it is installed: beside it, or in ../lib/kennel.
Images find_images(fs::path const& folder = {});

// A file put at a path of the partition instead of what belongs there, or taken away (source empty): for testing refusals.
struct Replacement {
    std::string target;                      // "kennel/manifest"
    fs::path    source;
};

struct EspFile {
    std::string     path;
    fs::path        source;
    std::vector<u8> bytes;                   // where there is no source
    u64             size;
};

Or<std::vector<EspFile>> esp_files(Images const& images, Manifest const& manifest, std::vector<Replacement> const& replacements = {});

} // namespace kennel::tool
