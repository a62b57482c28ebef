// SPDX-License-Identifier: Apache-2.0
//
// Why a guest's run is over: what intercepts and devices report, and what its policy decides by (lifecycle.hpp).
#pragma once
#include "hv/lib/types.hpp"

namespace kennel::service {

enum class EndReason : u8 {
    none, power_off, reboot, panic,                   // the guest said so
    triple_fault, invalid_state, left_x2apic, unsupported, init_received, stop_requested, machine_check, halted_forever,
    reply_refused, load_error,
};

char const* name_of(EndReason reason);                // as in the framed message
// Ended as it should: nothing failed. Only the operator requests a stop.
inline bool is_orderly(EndReason reason)
{
    return reason == EndReason::power_off || reason == EndReason::reboot || reason == EndReason::stop_requested;
}

struct End {
    EndReason   reason = EndReason::none;
    char const* detail = "";
};

} // namespace kennel::service
