// SPDX-License-Identifier: Apache-2.0
//
// The files that become drives of the machine. The user's file itself does, never a copy, so it is locked for the run, and
// refused while anybody else has it open for writing.
#pragma once
#include "tools/kennel/disk.hpp"

namespace kennel::tool {

inline constexpr u32 most_drives = 3;       // of four: the first is the machine's own

// A drive of the machine.
struct DriveFile {
    fs::path path;                          // canonical
    bool     read_only;                     // nobody writes: the emulator opens it for reading only
};

// The files of a run's drives, locked until this goes away.
class LockedDrives {
public:
    LockedDrives() = default;
    LockedDrives(LockedDrives&& other) noexcept : drives_{std::exchange(other.drives_, {})}, handles_{std::exchange(other.handles_, {})} {}
    LockedDrives& operator=(LockedDrives&&) = delete;
    ~LockedDrives();

    static Or<LockedDrives> lock(std::vector<DriveFile> drives);
    std::vector<DriveFile> const& drives() const { return drives_; }

private:
    std::vector<DriveFile> drives_;
    std::vector<int>       handles_;
};

// The drives that these disks need, in the order of their numbers from 1. Refuses what cannot be shared.
Or<std::vector<DriveFile>> drives_for(std::vector<DiskPlan const*> const& disks);
u32 drive_number(std::vector<DriveFile> const& drives, DiskPlan const& disk);

} // namespace kennel::tool
