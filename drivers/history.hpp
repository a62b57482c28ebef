// SPDX-License-Identifier: Apache-2.0
//
// The last lines of the service's log, whichever vCPU wrote them: for the monitor's `log`. Lines are rare and short, so one lock
// for all of them costs nobody anything.
#pragma once
#include "hv/lib/types.hpp"
#include <atomic>
#include <string_view>

namespace kennel::service {

class History {
public:
    void add(std::string_view line)
    {
        Guard const guard{busy_};
        for (char const c : line)
            put(c);
        put('\n');
    }

    // Whole lines, the oldest first, without their ends.
    template<class Take> void each(Take take)
    {
        Guard const guard{busy_};
        u64 at = end_ > size ? end_ - size : 0;
        if (at > 0)                                    // its first line has lost its beginning
            while (at < end_ && text_[at++ % size] != '\n') {}
        char line[longest];
        usize length = 0;
        for (; at < end_; at++) {
            char const c = text_[at % size];
            if (c == '\n') {
                take(std::string_view{line, length});
                length = 0;
            } else if (length < longest) {
                line[length++] = c;
            }
        }
    }

private:
    static constexpr u64   size = 4096;
    static constexpr usize longest = 400;

    struct Guard {
        explicit Guard(std::atomic_flag& flag) : flag{flag} { while (flag.test_and_set(std::memory_order_acquire)) __builtin_ia32_pause(); }
        ~Guard() { flag.clear(std::memory_order_release); }
        Guard(Guard const&) = delete;
        Guard& operator=(Guard const&) = delete;
        std::atomic_flag& flag;
    };
    void put(char c) { text_[end_++ % size] = c == '\n' || (c >= ' ' && c <= '~') ? c : '?'; }

    std::atomic_flag busy_{};
    u64  end_ = 0;                                    // characters ever written
    char text_[size] = {};
};

} // namespace kennel::service
