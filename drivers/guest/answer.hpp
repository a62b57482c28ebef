// SPDX-License-Identifier: Apache-2.0
//
// An intercept in, a reply out: row 3 of the request path, seen from the service. The registers in the page are the
// guest's own, so an answer is a register changed in place.
#pragma once
#include "drivers/guest/guest.hpp"

namespace kennel::service {

enum class EndReason : u8 {
    none, power_off, reboot, panic,                   // the guest said so
    triple_fault, invalid_state, left_x2apic, unsupported, init_received, stop_requested, machine_check, halted_forever,
    reply_refused, load_error,
};

char const* name_of(EndReason reason);                // as in the framed message
// Ended as it should: nothing failed.
inline bool is_orderly(EndReason reason) { return reason == EndReason::power_off || reason == EndReason::reboot; }

struct End {
    EndReason   reason = EndReason::none;
    char const* detail = "";
};

// Fills the page's reply, unless this ends the guest.
End answer(Guest& guest);

} // namespace kennel::service
