// SPDX-License-Identifier: Apache-2.0
//
// What going from one partition to another has to clean up, so that what one left in a processor's predictors and buffers
// tells the other nothing. Which of it a processor has is the architecture's to know, and to carry out before the next one runs.
#pragma once
#include "hv/vcpu.hpp"

namespace kennel {

struct Crossing { static constexpr u32 predictors = 1, buffers = 2, l1_data = 4, all = 7; };

// `before` ran last on this CPU, as far as known (null), and now `next` is to run. -> Crossing bits
constexpr u32 crossing_actions(Vcpu const* before, Vcpu const& next)
{
    if (before && before->partition == next.partition)
        return 0;
    // A service may read all that its guest has anyway; but what it trains must not steer its service.
    return before && before->service == &next ? Crossing::predictors : Crossing::all;
}

} // namespace kennel
