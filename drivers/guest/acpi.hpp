// SPDX-License-Identifier: Apache-2.0
//
// The ACPI tables a guest finds: RSDP -> XSDT -> FADT (hardware-reduced, with the DSDT), MADT, MCFG.
#pragma once
#include "drivers/guest_memory.hpp"

namespace kennel::service {

// Writes them at layout::acpi. `dsdt` as iasl made it. -> guest physical address of the RSDP; nothing: no room there.
std::optional<u64> write_acpi_tables(GuestMemory const& memory, std::span<u8 const> dsdt, u32 cpu_count);

} // namespace kennel::service
