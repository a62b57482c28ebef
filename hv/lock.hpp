// SPDX-License-Identifier: Apache-2.0
//
// Data that several CPUs change lives inside its lock: Locked<T, Rank> gives it out only to who holds the lock.
//
//   Rank    lock                     held while
//   1       Machine::control         a hypercall changes partitions, handles, traps or memory
//   2       Machine::master_pool     frames move between hv's pool and a partition's
//   3       CpuShared::inbox         a vCPU is handed to another CPU
//   4       I/O APICs                one of their lines is routed or masked
//   5       log                      a line goes out
//
// A CPU takes locks in growing rank only. The exit path of a running guest takes none of them.
#pragma once
#include "hv/arch.hpp"
#include <atomic>

namespace kennel {

enum class Rank : u8 { control = 1, pool = 2, inbox = 3, lines = 4, log = 5 };

template<class T, Rank R>
class Locked {
public:
    class Guard {
    public:
        explicit Guard(Locked& lock) : lock_{lock} { lock_.acquire(); }
        ~Guard() { lock_.release(); }
        Guard(Guard const&) = delete;
        Guard& operator=(Guard const&) = delete;
        T* operator->() { return &lock_.data_; }
        T& operator*()  { return lock_.data_; }
    private:
        Locked& lock_;
    };

    [[nodiscard]] Guard lock() { return Guard{*this}; }

private:
    void acquire()
    {
        // Ordering: acquire, pairs with the release below: the data written by the last holder is seen.
        while (held_.exchange(true, std::memory_order_acquire))
            if constexpr (R <= Rank::pool)
                arch::relax();   // serves other CPUs' requests meanwhile, so two waiting CPUs never wait for each other
            else
                arch::spin();   // its holder waits for nobody, and the one who wants it may hold what a handle named
    }
    void release() { held_.store(false, std::memory_order_release); }

    std::atomic<bool> held_{false};
    T                 data_{};
};

} // namespace kennel
