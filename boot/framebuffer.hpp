// SPDX-License-Identifier: Apache-2.0
//
// The firmware's screen as memory: where its pixels lie, for hv's log and its panic. Left as the firmware set it up.
#pragma once
#include "boot/firmware.hpp"

namespace kennel::boot {

// format none: there is no screen, or none that is plain 32-bit memory.
abi::Framebuffer find_framebuffer(Firmware const& firmware);

} // namespace kennel::boot
