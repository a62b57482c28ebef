// SPDX-License-Identifier: Apache-2.0
//
// The last lines of the service's log, whichever vCPU wrote them: for the monitor's `log` and the screen. Lines are rare and short, so one lock
// for all of them costs nobody anything.
#pragma once
#include "drivers/text.hpp"
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

    // The first whole line from character `at` on, counted from the first there ever was; `at` is behind it then. False: there is none yet.
    bool next(u64& at, Text& line)
    {
        Guard const guard{busy_};
        if (end_ > size && at < end_ - size) {         // it has lost its beginning
            at = end_ - size;
            while (at < end_ && text_[at++ % size] != '\n') {}
        }
        if (at == end_)
            return false;
        line = Text{};
        for (char c; (c = text_[at++ % size]) != '\n';)
            line.add(std::string_view{&c, 1});
        return true;
    }

private:
    static constexpr u64 size = 4096;

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
