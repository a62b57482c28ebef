// SPDX-License-Identifier: Apache-2.0
//
// The end of a guest's run and what follows from it:
//   power-off                    it is over
//   reboot                       the same guest starts anew
//   anything else, a failure     as its policy says: stop, restart, hold
// Each end is reported to the log with the guest's state and its exits, and to the launcher by a framed message.
#pragma once
#include "drivers/guest/answer.hpp"
#include "drivers/log.hpp"

namespace kennel::service {

// Starts a planned guest and says so. False: it could not be loaded, and is ended.
bool begin(Guest& guest, abi::InfoPage const& info, Log& log);

// Its run ended. True: it was started again.
bool conclude(Guest& guest, End const& end, abi::InfoPage const& info, Log& log);

} // namespace kennel::service
