// SPDX-License-Identifier: Apache-2.0
//
// Faults of the service itself: said once, then this vCPU rests. hv and the other partitions go on.
#pragma once
#include "hv/abi/pages.hpp"

namespace kennel::service {

// Before anything else, on each vCPU; the first one's work counts.
void prepare_faults(abi::InfoPage const& info);

// A broken invariant of ours.
[[noreturn]] void give_up(char const* what, u64 value = 0);

} // namespace kennel::service
