// SPDX-License-Identifier: Apache-2.0
//
// The plan as the bytes of \kennel\manifest (hv/abi/manifest.hpp), and the files that go beside it.
#pragma once
#include "tools/kennel/drive_files.hpp"
#include "tools/kennel/plan.hpp"

namespace kennel::tool {

struct PlannedFile {
    std::string name;      // on the machine's disk, in \kennel
    fs::path    path;      // on this machine
    u32         services;  // bit s: a module of service s
    u64         size;
    bool        own = false;   // a disk that is written to: of one guest only
};

struct Manifest {
    std::vector<u8>          bytes;
    std::vector<PlannedFile> files;
    std::vector<DriveFile>   drives;   // drives 1, 2, 3 of the machine
};

Or<Manifest> make_manifest(Plan const& plan);   // of a checked plan

} // namespace kennel::tool
