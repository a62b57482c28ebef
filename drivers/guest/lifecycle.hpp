// SPDX-License-Identifier: Apache-2.0
//
// The end of a guest's run and what follows from it:
//   power-off                    it is over
//   reboot                       the same guest starts anew
//   the operator's wish          stop or restart, whatever its policy says
//   anything else, a failure     as its policy says: stop, restart, hold
// Each end is reported to the log with the guest's state and its exits, and to the launcher by a framed message.
#pragma once
#include "drivers/guest/answer.hpp"
#include "drivers/log.hpp"

namespace kennel::service {

// Starts a planned guest and says so. False: it could not be loaded, and is ended.
bool begin(Guest& guest, abi::InfoPage const& info, Log& log);

enum class Wanted : u8 { nothing, stop, restart };     // by the operator

// Its run ended. True: it was started again.
bool conclude(Guest& guest, End const& end, Wanted wanted, abi::InfoPage const& info, Log& log);

// Counts anew, while there is a run to count.
void take_sample(Guest& guest);

} // namespace kennel::service
