// SPDX-License-Identifier: Apache-2.0
//
// The firmware's multi-processor services, which GNU-EFI does not declare.
// UEFI Platform Initialization specification, "MP Services Protocol".
#pragma once
#include "hv/lib/types.hpp"
#include <efi.h>

namespace kennel::boot {

inline constexpr EFI_GUID mp_services_guid{0x3fdda605, 0xa76e, 0x4f46, {0xad, 0x29, 0x12, 0xf4, 0x53, 0x1b, 0x3d, 0x08}};

struct ProcessorInformation {
    u64 processor_id;                   // the local APIC id
    u32 status;                         // bit 0: boot processor, 1: enabled, 2: healthy
    u32 package, core, thread;
    u32 extended[6];                    // newer firmware fills this in
};
inline constexpr u32 processor_is_boot = 1, processor_enabled = 2, processor_healthy = 4;

using ApProcedure = void (EFIAPI*)(void* argument);

struct MpServices {
    EFI_STATUS (EFIAPI* get_number_of_processors)(MpServices*, UINTN* all, UINTN* enabled);
    EFI_STATUS (EFIAPI* get_processor_info)(MpServices*, UINTN number, ProcessorInformation*);
    EFI_STATUS (EFIAPI* startup_all_aps)(MpServices*, ApProcedure, BOOLEAN single, EFI_EVENT, UINTN microseconds, void*, UINTN** failed);
    EFI_STATUS (EFIAPI* startup_this_ap)(MpServices*, ApProcedure, UINTN number, EFI_EVENT, UINTN microseconds, void*, BOOLEAN* finished);
};

} // namespace kennel::boot
