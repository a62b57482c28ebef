// SPDX-License-Identifier: Apache-2.0
//
// A part of a physical drive as a medium: sectors 0 to n of a guest's disk are sectors `first` to `first + n` of the drive,
// and no request reaches another one. Requests wait here, in order, for their turn at the channel (ata_channel.hpp), which
// serves its slices one command each in turn. Touched by the drive's home vCPU only; a guest elsewhere has a RemoteDisk.
#pragma once
#include "drivers/block/segment_cursor.hpp"
#include "hv/lib/list.hpp"

namespace kennel::service {

class AtaChannel;

// So many things in order; the owner never puts in more.
template<class T, u32 size> class BoundedQueue {
    static_assert((size & (size - 1)) == 0);

public:
    bool empty() const { return first_ == last_; }
    bool full() const { return last_ - first_ == size; }
    u32  count() const { return last_ - first_; }
    T&   front() { return items_[first_ % size]; }
    void push(T const& item) { items_[last_++ % size] = item; }
    T    pop() { return items_[first_++ % size]; }

private:
    T   items_[size] = {};
    u32 first_ = 0, last_ = 0;
};

class DriveSlice {
public:
    static constexpr u32 depth = 64;                  // requests pending at most, and completions not yet taken

    struct Recipe {
        AtaChannel* channel;
        u32         unit;                             // 0 or 1
        SectorRange part;                             // of the drive
        u32         block_bytes;
        bool        read_only, write_back, write_through;
    };
    explicit DriveSlice(Recipe const& recipe);
    DriveSlice(DriveSlice const&) = delete;
    DriveSlice& operator=(DriveSlice const&) = delete;

    BlockProperties const& properties() const { return properties_; }
    BlockCounters const&   counters() const { return counters_; }
    Submission             submit(BlockRequest& request);
    std::optional<BlockCompletion> take_completion()
    {
        return done_.empty() ? std::nullopt : std::optional{done_.pop()};
    }

    // Who hears of completions: an event of the guest's home.
    u32 home = 0, event = 0;
    ListLink news;                                    // has completions nobody was told of

    SectorRange part() const { return recipe_.part; }

private:
    friend class AtaChannel;

    void finish(BlockStatus status);                  // of the request in front

    Recipe          recipe_;
    BlockProperties properties_;
    BlockCounters   counters_;
    BoundedQueue<BlockRequest*, depth>   waiting_;
    BoundedQueue<BlockCompletion, depth> done_;
    ListLink        turn_;                            // has requests, and waits for its turn

    // How far the request in front is.
    u64             sectors_done_ = 0;
    SegmentCursor   cursor_;
    bool            flush_due_ = false;               // written, but it is a write-through medium
};

static_assert(Backend<DriveSlice>);

} // namespace kennel::service
