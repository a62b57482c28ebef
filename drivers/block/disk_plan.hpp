// SPDX-License-Identifier: Apache-2.0
//
// From a disk of the manifest to a Disk: finds the file's bytes, the drive or RAM, puts an overlay over it, and places a remote
// end where the guest lives on another CPU than the drive. Done once, by vCPU 0, while the guests are planned.
#pragma once
#include "drivers/block/disk.hpp"
#include "drivers/block/drives.hpp"
#include "drivers/extents.hpp"

namespace kennel::service {

struct DiskMaker {
    Drives&  drives;
    Heap&    heap;
    Extents& extents;
    abi::InfoPage const& info;
    Log&     log;

    // `file`: the bytes of the module it names. Null: `why` says why not.
    Disk* make(DiskRecipe const& recipe, std::span<u8> file, u32 number, u32 home, Text& why);

private:
    std::span<u8> take_ram(u64 bytes, Text& why);
    template<class Below> Disk* finish(Below& below, DiskRecipe const& recipe, u32 number, Text& why);
};

} // namespace kennel::service
