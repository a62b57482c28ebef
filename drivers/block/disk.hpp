// SPDX-License-Identifier: Apache-2.0
//
// A guest's disk as it was planned: a medium, what the guest is told it is called, and how it hears of completions.
#pragma once
#include "drivers/block/disk_recipe.hpp"
#include "drivers/block/medium.hpp"

namespace kennel::service {

struct Disk {
    Medium      medium;
    DiskRecipe  recipe;
    u32         number;                               // among all disks of this service
    u32         guest = 0;                            // Guest::number
    DriveSlice* slice  = nullptr;                     // of a drive
    RemoteDisk* remote = nullptr;                     // the guest is not at home where the drive is
    u32         device = 0;                           // among the guest's virtio devices
};

// Events of disk n. In words of their own, one bit for each.
inline constexpr u32 disk_done_event    = 64;         // + n, to the guest's home: the medium has completions
inline constexpr u32 disk_request_event = 128;        // + n, to vCPU 0: the guest has requests for a drive
static_assert(abi::max_disks <= 64);

} // namespace kennel::service
