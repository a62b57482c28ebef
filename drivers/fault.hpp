// SPDX-License-Identifier: Apache-2.0
//
// Faults of the service itself: said once, then this vCPU rests. hv and the other partitions go on.
#pragma once
#include "hv/abi/pages.hpp"
#include <string_view>

namespace kennel::service {

// Before anything else, on vCPU 0. `show`: who else than hv's log is told.
void prepare_faults(abi::InfoPage const& info, void (*show)(std::string_view text) = nullptr);

// A broken invariant of ours.
[[noreturn]] void give_up(char const* what, u64 value = 0);

} // namespace kennel::service
