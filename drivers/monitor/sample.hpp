// SPDX-License-Identifier: Apache-2.0
//
// What is counted of a guest, at one moment. Taken by its home vCPU, which alone sees all of it; read by the monitor after that.
#pragma once
#include "hv/abi/pages.hpp"

namespace kennel::service {

struct Sample {
    static constexpr u32 exit_kinds = static_cast<u32>(abi::ExitCounter::count), most_disks = 8, most_cards = 8;

    struct DiskCounters { u64 requests = 0, failed = 0, refused = 0, interrupts = 0; };
    struct CardCounters { u64 packets_sent = 0, bytes_sent = 0, packets_received = 0, bytes_received = 0, dropped = 0; };

    u64 taken = 0, started = 0;                       // TSC
    u64 starts = 0;                                   // what follows counts from the last one
    u64 exits[exit_kinds] = {};                       // by abi::ExitCounter
    u64 run_ticks = 0, interrupts = 0, unclaimed = 0, console_lost = 0;
    DiskCounters disks[most_disks] = {};
    CardCounters cards[most_cards] = {};

    u64 all_exits() const
    {
        u64 all = 0;
        for (u64 const count : exits)
            all += count;
        return all;
    }
    u64 disk_requests() const
    {
        u64 all = 0;
        for (DiskCounters const& disk : disks)
            all += disk.requests;
        return all;
    }
    u64 packets() const                               // both ways
    {
        u64 all = 0;
        for (CardCounters const& card : cards)
            all += card.packets_sent + card.packets_received;
        return all;
    }
};

char const* name_of(abi::ExitCounter counter);

} // namespace kennel::service
