// SPDX-License-Identifier: Apache-2.0
//
// The last step: page tables hv can start on, and the jump.
#pragma once
#include "boot/load.hpp"

namespace kennel::boot {

// Tables as hv/abi/boot_info.hpp describes them; the root's address, or 0 when there is no memory for them.
u64 build_transitional_tables(Firmware& firmware, HypervisorBlock const& block, u64 identity_end);

// After boot services have ended.
[[noreturn]] void enter_hypervisor(HypervisorBlock const& block, u64 root);

} // namespace kennel::boot
