// SPDX-License-Identifier: Apache-2.0
//
// The end of a guest's run and what follows from it:
//   power-off                    it is over
//   reboot                       the same guest starts anew; after short runs with a pause between them, which grows
//   the operator's wish          stop or restart, whatever its policy says
//   anything else, a failure     as its policy says: stop, restart, hold
// Each end is reported to the log with the guest's state and its exits, and to the launcher by a framed message.
#pragma once
#include "drivers/guest/answer.hpp"
#include "drivers/log.hpp"

namespace kennel::service {

// Starts a planned guest and says so. False: it could not be loaded, and is ended.
bool begin(Guest& guest, abi::InfoPage const& info, Log& log);

// A guest that does nothing but start takes the time of the service, which nobody pays for: zeroing its RAM, loading its kernel. A run
// shorter than settled_ms makes the next pause twice as long; the first costs none, so a reboot is as quick as ever.
inline constexpr u64 settled_ms = 2'000, first_pause_ms = 50, longest_pause_ms = 5'000;

enum class Wanted : u8 { nothing, stop, restart };     // by the operator

// Its run ended. True: it was started again, or rests before that.
bool conclude(Guest& guest, End const& end, Wanted wanted, abi::InfoPage const& info, Log& log);

// Counts anew, while there is a run to count.
void take_sample(Guest& guest);

} // namespace kennel::service
