// SPDX-License-Identifier: Apache-2.0
//
// The guest's local APIC: x2APIC registers by the SDM's numbers.
#pragma once
#include "tests/machine/guest/processor.hpp"

namespace kennel::guest::apic {

inline constexpr u32 base = 0x1b, tsc_deadline = 0x6e0;
inline constexpr u32 id = 0x802, version = 0x803, task_priority = 0x808, processor_priority = 0x80a, end_of_interrupt = 0x80b, spurious = 0x80f,
                     in_service = 0x810, requests = 0x820, error_status = 0x828, command = 0x830, lvt_timer = 0x832, lvt_error = 0x837,
                     initial_count = 0x838, current_count = 0x839, divide = 0x83e, self = 0x83f;
inline constexpr u32 masked = 1u << 16, periodic = 1u << 17, deadline_mode = 2u << 17, divide_by_1 = 0xb;

inline void enable() { wrmsr(spurious, 0x1ff); }

} // namespace kennel::guest::apic
