// SPDX-License-Identifier: Apache-2.0
//
// Guests' disks, as the user names them: --block=FILE[,option...], or a description's "disks".
#pragma once
#include "hv/abi/manifest.hpp"
#include "tools/kennel/file.hpp"
#include <array>
#include <optional>

namespace kennel::tool {

struct DiskPlan {
    abi::MediumKind kind = abi::MediumKind::drive;
    fs::path        file;                   // of a drive or module
    std::string     serial;                 // as the guest sees it; empty: the file's name
    u64             bytes = 0;              // of blank RAM
    u64             overlay = 0;            // bytes of RAM for what the guest writes
    bool            read_only = false, write_through = false;
    std::string     label;                  // only this partition ...
    std::optional<std::array<u8, 16>> uuid; // ... or this one, by its PARTUUID
    bool            own_drive = false;      // on the machine's own drive, the one it starts from: no file of ours
    bool            lazy = false;           // an area: mapped page by page, when the guest touches one

    bool is_area() const { return kind == abi::MediumKind::area; }
    // Memory that the guests who have it share, /dev/pmem0, instead of a disk. `way`: of pmem_names.
    void become_area(usize way)
    {
        kind = abi::MediumKind::area;
        read_only = true;
        lazy = way == 1;
    }
    bool changes_file() const { return kind == abi::MediumKind::drive && !read_only && overlay == 0; }
};

inline constexpr std::string_view pmem_names[] = {"eager", "lazy"};   // how an area is mapped

// "FILE[,ro][,overlay[=SIZE]][,ram][,pmem[=eager|lazy]][,write-through][,partition=LABEL][,partuuid=UUID]", or "ram:SIZE".
Or<DiskPlan> parse_disk(std::string_view word);
Or<std::array<u8, 16>> parse_uuid(std::string_view text);

// What can be said without opening a machine: the file is one, and large enough for a sector. Fills in the serial and sizes.
Or<void> check_disk(DiskPlan& disk);
bool     may_share(DiskPlan const& one, DiskPlan const& other);   // one file: nobody writes what the other sees
u64      disk_memory(DiskPlan const& disk); // RAM of the machine that it takes

} // namespace kennel::tool
