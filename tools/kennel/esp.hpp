// SPDX-License-Identifier: Apache-2.0
//
// The machine's disk: an unpartitioned FAT file system with the loader, Kennel's images, the manifest and the guests' files,
// laid out as the loader expects it. Made with dosfstools and mtools, so no root is needed.
#pragma once
#include "tools/kennel/manifest.hpp"

namespace kennel::tool {

struct Images {
    fs::path loader, hypervisor, service;
};

// In `folder`; by default where this program was built, or where it is installed: beside it, or in ../lib/kennel.
Images find_images(fs::path const& folder = {});

// A file put at a path of the disk instead of what belongs there, or taken away (source empty): for testing refusals.
struct Replacement {
    std::string target;
    fs::path    source;
};

Or<fs::path> make_esp(Images const& images, Manifest const& manifest, std::vector<Replacement> const& replacements, fs::path const& folder);

} // namespace kennel::tool
