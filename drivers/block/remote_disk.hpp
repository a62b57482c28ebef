// SPDX-License-Identifier: Apache-2.0
//
// A medium of another vCPU's, as the guest's device at home here sees it. A physical drive belongs to the service's vCPU 0; a
// guest on another CPU hands its requests over in a ring with one writer and one reader, and gets completions back in another.
// Each side rings the other's event only where that one said it had gone to sleep.
//
//   guest's home:  RemoteDisk::submit -> requests -> drive's home:  RemoteDisk::serve -> DriveSlice
//                  RemoteDisk::take_completion <- completions <-                      <-
#pragma once
#include "drivers/block/drive_slice.hpp"
#include "drivers/hand_over.hpp"
#include "drivers/hypercalls.hpp"

namespace kennel::service {

class RemoteDisk {
public:
    struct Place { u32 cpu, event; };

    // `serving`: the event of the drive's home that makes it call serve(). `slice.home` and `slice.event` are the guest's.
    RemoteDisk(DriveSlice& slice, Place const& serving) : slice_{slice}, serving_{serving}, properties_{slice.properties()} {}

    // ---- at the guest's home ----

    BlockProperties const& properties() const { return properties_; }
    BlockCounters const&   counters() const { return counters_; }

    Submission submit(BlockRequest& request)
    {
        if (in_flight_ == DriveSlice::depth) [[unlikely]]
            return Submission::busy();
        in_flight_++;
        requests_.push(&request);
        if (server_.must_ring())
            static_cast<void>(event_raise(serving_.cpu, serving_.event));
        return Submission::pending();
    }

    std::optional<BlockCompletion> take_completion()
    {
        auto completion = completions_.pop();
        if (!completion) {
            client_.fall_asleep();
            std::atomic_thread_fence(std::memory_order_seq_cst);
            completion = completions_.pop();
        }
        if (completion) {
            in_flight_--;
            counters_.count(*completion->request, completion->status);
        }
        return completion;
    }

    // ---- at the drive's home ----

    // Takes requests, and sends what the slice has completed.
    void serve()
    {
        server_.fall_asleep();
        std::atomic_thread_fence(std::memory_order_seq_cst);
        bool sent = false;
        while (auto const request = requests_.pop()) {
            // Never busy: no more are in flight than the slice takes.
            Submission const answer = slice_.submit(**request);
            if (answer.state == Submission::State::done) {
                completions_.push({*request, answer.status});
                sent = true;
            }
        }
        while (auto const completion = slice_.take_completion()) {
            completions_.push(*completion);
            sent = true;
        }
        if (sent && client_.must_ring())
            static_cast<void>(event_raise(slice_.home, slice_.event));
    }

private:
    DriveSlice&     slice_;
    Place           serving_;
    BlockProperties properties_;
    BlockCounters   counters_;
    u32             in_flight_ = 0;
    Sleep           server_, client_;                 // who reads requests, who reads completions
    HandOver<BlockRequest*, DriveSlice::depth>   requests_;
    HandOver<BlockCompletion, DriveSlice::depth> completions_;
};

static_assert(Backend<RemoteDisk>);

} // namespace kennel::service
