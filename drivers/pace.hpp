// SPDX-License-Identifier: Apache-2.0
//
// Work that may have only a share of the processor's time, because nobody's turn pays for it: of `share` ticks one, over any time
// long enough, and some at once (the generic cell rate algorithm, as in net::Bridge::may_flood).
#pragma once
#include "hv/lib/types.hpp"

namespace kennel::service {

class Pace {
public:
    // `burst`: ticks of work that may be done at once.
    constexpr Pace(u64 share, u64 burst) : share_{share}, ahead_{share * burst} {}

    // From when on there may be work.
    constexpr u64  next() const { return next_; }
    constexpr bool allows(u64 now) const { return now >= next_; }
    constexpr void worked(u64 begin, u64 end)
    {
        due_ = (due_ > begin ? due_ : begin) + share_ * (end - begin);
        // Too much: a rest, after which there may be a tenth of a burst, since going there for less is work that nobody sees.
        if (due_ > end + ahead_)
            next_ = due_ - ahead_ + ahead_ / 10;
    }

private:
    u64 share_, ahead_;
    u64 due_ = 0;                                     // when all that was done so far has had its time
    u64 next_ = 0;
};

} // namespace kennel::service
