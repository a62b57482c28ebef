// SPDX-License-Identifier: Apache-2.0
//
// What a disk image holds, and whether it is whole: partition tables, files, manifest, checksums. The image is untrusted.
#pragma once
#include "tools/kennel/fat_reader.hpp"
#include "tools/kennel/gpt.hpp"

namespace kennel::tool {

struct InspectedFile {
    std::string path;
    u64         size;
    std::string sum;                       // SHA-256 of what is there
};

struct InspectedGuest {
    std::string name, kernel, initrd, command_line, policy, service;
    u64         memory;
    u32         cpu, weight;               // cpu: abi::any_cpu
};

struct Inspection {
    u64                         size = 0;
    bool                        partitioned = false;   // no: the file system is the whole disk
    Gpt                         gpt;
    std::vector<InspectedFile>  files;
    std::vector<InspectedGuest> guests;
    std::vector<std::string>    options;               // of the machine, by their names in a configuration
    bool                        has_checksums = false;
    std::vector<std::string>    faults;                // one line each; none: all that can be checked is right
};

// A fault only when there is nothing to look at.
Or<Inspection> inspect_image(Bytes const& image);

} // namespace kennel::tool
