// SPDX-License-Identifier: Apache-2.0
//
// Copy on write over another medium: what is written stays in the service's RAM, what was not is read from below, and the
// medium below never changes. The RAM is given when the guest is planned; when it is used up, a write that needs more ends
// with an I/O error and is counted. Everything written is gone when the machine is switched off.
//
// RAM is taken by blocks of 4 KiB, with a bit for each of its eight sectors, so no write has to read from below first.
#pragma once
#include "drivers/block/segment_cursor.hpp"
#include <bit>

namespace kennel::service {

// Which blocks are kept, and where: a hash table with open addressing, never more than half full, nothing ever removed.
class OverlayStore {
public:
    static constexpr u32 block_bytes = 4096, block_sectors = block_bytes / sector_bytes;

    struct Slot {
        u64 key;                                      // block number + 1; 0: free
        u32 frame;
        u8  present;                                  // bit n: sector n of the block is kept
    };

    // `memory`: 4 KiB-aligned; zeroed here where that is needed. What is too little for one block keeps nothing.
    explicit OverlayStore(std::span<u8> memory);

    u8*         frame(Slot const& slot) const { return frames_ + static_cast<u64>(slot.frame) * block_bytes; }
    Slot const* find(u64 block) const;
    Slot*       find_or_add(u64 block);               // null: no frame is left
    u64         free_frames() const { return frame_count_ - used_; }
    u64         frames() const { return frame_count_; }

private:
    Slot& place(u64 block) const;

    u8*   frames_ = nullptr;
    Slot* slots_ = nullptr;
    u64   mask_ = 0;                                  // slots - 1
    u64   frame_count_ = 0, used_ = 0;
};

class OverlayState {
public:
    OverlayState(BlockProperties const& below, std::span<u8> memory) : store_{memory}, properties_{below}
    {
        properties_.read_only = false;
        properties_.write_back = false;               // a flush makes nothing safer: it is RAM
        properties_.discards = properties_.writes_zeroes = true;
        properties_.block_bytes = OverlayStore::block_bytes;
    }

    BlockProperties const& properties() const { return properties_; }
    BlockCounters const&   counters() const { return counters_; }
    u64                    refused() const { return refused_; }   // writes for which there was no RAM left

protected:
    BlockStatus keep(BlockRequest const& request);    // write, write zeroes
    bool        covers(SectorRange const& range) const;
    void        put_over(BlockRequest const& request);            // the sectors that are kept, into the request's segments

    OverlayStore    store_;
    BlockProperties properties_;
    BlockCounters   counters_;
    u64             refused_ = 0;

private:
    template<class Visit> void for_each_block(SectorRange const& range, Visit&& visit) const;
};

template<class Below>
class Overlay : public OverlayState {
public:
    Overlay(Below& below, std::span<u8> memory) : OverlayState{below.properties(), memory}, below_{below} {}

    Submission submit(BlockRequest& request)
    {
        Submission answer = Submission::done(BlockStatus::ok);
        switch (request.operation()) {
        case BlockOperation::read:
            if (!covers(request.range())) {
                answer = below_.submit(request);
                if (answer.state != Submission::State::done || answer.status != BlockStatus::ok)
                    break;
            }
            put_over(request);
            break;
        case BlockOperation::write:
        case BlockOperation::write_zeroes:
            answer = Submission::done(keep(request));
            break;
        case BlockOperation::flush:
        case BlockOperation::discard:
            break;
        }
        if (answer.state == Submission::State::done)
            counters_.count(request, answer.status);
        return answer;
    }

    // Only reads go below.
    std::optional<BlockCompletion> take_completion()
    {
        auto const completion = below_.take_completion();
        if (completion) {
            if (completion->status == BlockStatus::ok)
                put_over(*completion->request);
            counters_.count(*completion->request, completion->status);
        }
        return completion;
    }

private:
    Below& below_;
};

} // namespace kennel::service
