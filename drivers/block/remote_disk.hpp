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
#include "drivers/hypercalls.hpp"
#include <atomic>

namespace kennel::service {

// One writer, one reader. The writer never puts in more than fits: RemoteDisk counts.
template<class T, u32 size> class HandOver {
    static_assert((size & (size - 1)) == 0);

public:
    void push(T const& item)
    {
        u32 const last = last_.load(std::memory_order_relaxed);
        items_[last % size] = item;
        last_.store(last + 1, std::memory_order_release);         // the item is seen before the count
    }
    std::optional<T> pop()
    {
        u32 const first = first_.load(std::memory_order_relaxed);
        if (first == last_.load(std::memory_order_acquire))
            return std::nullopt;
        T const item = items_[first % size];
        first_.store(first + 1, std::memory_order_release);
        return item;
    }

private:
    T items_[size] = {};
    // Each on a line of its own: the sides would take it from each other otherwise.
    alignas(64) std::atomic<u32> first_{0};
    alignas(64) std::atomic<u32> last_{0};
};

// "Nobody looks any more: ring." Said before the last look, so whatever comes after that look finds it said.
class Sleep {
public:
    void fall_asleep() { asleep_.store(true, std::memory_order_seq_cst); }
    // True: the other side sleeps, and the caller is the one to ring.
    bool must_ring()
    {
        std::atomic_thread_fence(std::memory_order_seq_cst);      // what was pushed is seen before this look
        return asleep_.load(std::memory_order_relaxed) && asleep_.exchange(false, std::memory_order_acq_rel);
    }

private:
    std::atomic<bool> asleep_{true};
};

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
