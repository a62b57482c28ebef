// SPDX-License-Identifier: Apache-2.0
//
// What guests' devices left over when they gave way, on one CPU. It is done by the clock, when nobody's turn pays for it: so all of it
// has a share of the processor's time (Pace), and guests take turns at that, a portion each.
#pragma once
#include "drivers/instructions.hpp"
#include "drivers/pace.hpp"
#include <algorithm>

namespace kennel::service {

class Turns {
public:
    explicit constexpr Turns(u64 tsc_hz) : pace_{share, tsc_hz / bursts} {}

    // TSC value from which there may be a turn.
    u64 next() const { return pace_.next(); }

    // One for each of `count` guests, or fewer: of(number) is a guest's devices (VirtioDevices), null: it has no turns now.
    // -> the TSC value from which to come again; ~0: nothing is left over.
    template<class Of> u64 take(u32 count, u64 now, Of&& of)
    {
        u64 again = ~0ull;
        for (u32 i = 0, first = first_; i < count; i++) {
            u32 const number = (first + i) % count;
            auto* const devices = of(number);
            if (!devices)
                continue;
            u64 at = devices->continue_at();
            if (at ? at <= now : pace_.allows(now)) {
                if (at == 0)
                    first_ = number + 1;
                u64 const begin = now;
                devices->go_on(begin);
                now = time_stamp();
                pace_.worked(begin, now);
                at = devices->continue_at();
            }
            again = std::min(again, at ? at : next());
        }
        return again;
    }

private:
    static constexpr u64 share = 12, bursts = 1000;   // of the time; a second

    Pace pace_;
    u32  first_ = 0;                                  // the guest whose turn comes first
};

} // namespace kennel::service
