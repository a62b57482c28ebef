// SPDX-License-Identifier: Apache-2.0
//
// What the operator wants of a guest: written by the monitor (vCPU 0), carried out and taken back to `none` by the guest's home.
#pragma once
#include "hv/lib/types.hpp"

namespace kennel::service {

enum class Order : u8 {
    none,
    sample,       // count anew
    start,        // one that is stopped, held or ended
    stop,         // whatever its policy says; it can be started again, so the machine stays on
    restart,      // stop, where it runs, and start
    reset,        // restart one that runs, as its reset button would
    leave,        // stop, for good: the machine goes off
};

} // namespace kennel::service
