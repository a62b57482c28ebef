// SPDX-License-Identifier: Apache-2.0
//
// What two vCPUs of the service use to hand things over: a ring with one writer and one reader, and a word that says whether
// the reader has to be woken. For devices that a guest on another CPU uses.
#pragma once
#include "hv/lib/types.hpp"
#include <atomic>
#include <optional>

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

} // namespace kennel::service
