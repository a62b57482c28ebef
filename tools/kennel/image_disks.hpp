// SPDX-License-Identifier: Apache-2.0
//
// Guests' disks in an image: each file becomes a partition of the image's own disk, which the manifest names by its PARTUUID.
#pragma once
#include "tools/kennel/disk_image.hpp"

namespace kennel::tool {

// Changes the plan's drives into partitions of drive 0, and says what these hold. A qcow2 file is converted by qemu-img into
// `folder`, which must outlive the result's use.
Or<std::vector<DataPartition>> move_disks_into_image(Plan& plan, fs::path const& folder);

// Other than raw: what only an image can take.
Or<bool> is_qcow2(fs::path const& file);

} // namespace kennel::tool
