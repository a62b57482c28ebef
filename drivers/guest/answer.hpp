// SPDX-License-Identifier: Apache-2.0
//
// An intercept in, a reply out: row 3 of the request path, seen from the service. The registers in the page are the
// guest's own, so an answer is a register changed in place.
#pragma once
#include "drivers/guest/guest.hpp"

namespace kennel::service {

// Fills the page's reply, unless this ends the guest.
End answer(Guest& guest);

} // namespace kennel::service
