// SPDX-License-Identifier: Apache-2.0
//
// The machine's drives, as the service that owns the devices finds them when it is started: the IDE controller's channels, up
// to two drives on each, and who was given which part. Touched by vCPU 0 only, the drives' home.
#pragma once
#include "drivers/block/ata_channel.hpp"
#include "drivers/block/gpt.hpp"
#include "drivers/heap.hpp"
#include "drivers/log.hpp"
#include "hv/abi/manifest.hpp"

namespace kennel::service {

class Drives {
public:
    static constexpr u32 count = 4;                   // number = channel * 2 + unit

    // Looks for the controller and asks each drive what it is. Says in the log what it found, and why not more.
    void discover(Heap& heap, u64 tsc_hz, Log& log);
    bool searched() const { return searched_; }
    bool in_use() const { return claim_count_ > 0; }

    struct Request { u32 drive; PartSelector part; bool read_only, write_through, overlay; };
    // Null: `why` says why not. Two slices never overlap where one of them is written to.
    DriveSlice* open(Request const& request, Heap& heap, Text& why);

    // The channels' interrupts, as events of vCPU 0: `first_event` for channel 0, the next for channel 1. Of channels in use.
    void start(u64 first_event, Log& log);

    void interrupt(u32 channel, Log& log) { channels_[channel].channel.interrupt(); report(log); }
    void timer(u64 now, Log& log);
    u64  deadline() const { return std::min(channels_[0].channel.deadline(), channels_[1].channel.deadline()); }
    // A slice had a request where it had none since news were taken: deadline() may be another, and there may be some.
    bool was_woken() const { return channels_[0].channel.was_woken() || channels_[1].channel.was_woken(); }

    // A slice with completions its guest was not told of; null: no more.
    DriveSlice* take_news()
    {
        for (Channel& each : channels_)
            each.channel.forget_wake();
        DriveSlice* const slice = channels_[0].channel.take_news();
        return slice ? slice : channels_[1].channel.take_news();
    }

private:
    struct Channel {
        AtaChannel channel;
        bool       there = false, used = false;
        u64        resets = 0, errors = 0;            // as far as the log knows
        bool       failed = false;
    };
    struct Drive {
        bool        there = false;
        AtaIdentity identity;
        std::string_view reason = "is not there";     // why it cannot be used
    };
    struct Claim { u32 drive; SectorRange part; bool writes; };

    void find_drives(u32 channel, Log& log);
    void report(Log& log);

    bool    searched_ = false;
    Channel channels_[2];
    Drive   drives_[count];
    Claim   claims_[abi::max_disks] = {};
    u32     claim_count_ = 0;
};

} // namespace kennel::service
