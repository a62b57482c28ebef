// SPDX-License-Identifier: Apache-2.0
//
// Makes a planned guest exist and run: partition, RAM, traps, vCPU, files in place, first state. And takes it away again.
// On the guest's home vCPU only, since hv creates vCPUs for the CPU that asks.
#pragma once
#include "drivers/guest/guest.hpp"
#include "drivers/text.hpp"

namespace kennel::service {

// As after power-on, for the first start and for each further one: RAM zeroed, files loaded anew.
// Text of size 0: it runs. Else why not; then nothing of it exists.
Text start_guest(Guest& guest, abi::InfoPage const& info);

// Its partition and vCPU cease to exist; its RAM stays its own.
void destroy_guest(Guest& guest);

} // namespace kennel::service
