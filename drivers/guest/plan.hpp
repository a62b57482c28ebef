// SPDX-License-Identifier: Apache-2.0
//
// From the manifest to guests that have a CPU, RAM and their files, but do not exist for hv yet. Done once, by vCPU 0.
#pragma once
#include "drivers/block/drives.hpp"
#include "drivers/extents.hpp"
#include "drivers/guest/guest.hpp"
#include "drivers/log.hpp"
#include "drivers/net/networks.hpp"

namespace kennel::service {

struct Plan {
    Guest* guests[abi::max_guests] = {};
    u32    count   = 0;
    u32    refused = 0;                               // guests that cannot be started; each was reported
    Disk*  disks[abi::max_disks] = {};                // of all guests, by Disk::number
    u32    disk_count = 0;
};

// `heap`: memory of the service for the guests' bookkeeping. A guest that does not fit is reported and left out.
// The machine's drives are looked for when a guest wants one.
// `networks` has been told where to ring.
Plan make_plan(abi::InfoPage const& info, std::span<u8> heap, Drives& drives, net::Networks& networks, Log& log);

// The service's own memory behind the modules.
std::span<u8> find_heap(abi::InfoPage const& info);

} // namespace kennel::service
