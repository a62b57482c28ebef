// SPDX-License-Identifier: Apache-2.0
//
// Where things lie in a guest when it starts. Everything below 1 MiB is the loader's; kernels begin at 1 MiB or above.
#pragma once
#include "drivers/guest_memory.hpp"

namespace kennel::service::layout {

inline constexpr u64 gdt          = 0x1000;
inline constexpr u64 zero_page    = 0x2000;      // struct boot_params
inline constexpr u64 page_tables  = 0x3000;      // root, pointers, four directories: 4 GiB identity in 2 MiB pages
inline constexpr u64 stack_top    = 0xa000;      // one page, for guests that do not bring their own
inline constexpr u64 command_line = 0x2'0000;
inline constexpr u64 command_line_room = 0x1'0000;
inline constexpr u64 low_end      = 0xa'0000;    // end of RAM below the old video memory
inline constexpr u64 acpi         = 0xe'0000;
inline constexpr u64 acpi_size    = 0x1'0000;
inline constexpr u64 reset_vector = 0xf'fff0;    // where a processor, or a kernel that reboots by way of the BIOS, begins
inline constexpr u64 kernel_least = 0x10'0000;   // nothing of a kernel may lie below

} // namespace kennel::service::layout
