// SPDX-License-Identifier: Apache-2.0
//
// Who gets which physical memory. The firmware's map goes in, BootInfo.ranges comes out: sorted, not overlapping,
// RAM in 2 MiB pieces with one owner each, and everything below 4 GiB that is no memory as device registers.
// Pure: the firmware's own structures end in firmware.cpp. Called twice, to see whether it works, and for good.
#pragma once
#include "hv/abi/boot_info.hpp"
#include "hv/lib/result.hpp"
#include <array>
#include <span>

namespace kennel::boot {

enum class FirmwareUse : u32 { ram, acpi, device, reserved };   // where ranges meet, the later word wins

struct FirmwareRange {
    u64             base, size;   // bytes
    FirmwareUse     use;
    abi::MemoryType type;
};

struct Span { u64 base = 0, size = 0; };   // physical, bytes; size 0 = none

struct ServiceClaim {
    Span block;        // 2 MiB-aligned, already in use
    u64  memory = 0;   // bytes in all, the block included; 0 = the rest
};

struct MemoryClaims {
    Span                             hypervisor;       // its block
    u64                              trampoline = 0;
    std::array<u64, abi::max_io_apics + 1> registers{};  // pages of the local APIC and the IOAPICs; 0 = unused
    std::array<Span, 8>              windows{};         // device registers the firmware may call reserved (ECAM)
    Span                             screen;
    std::span<ServiceClaim const>    services;
};

enum class MemoryFault : u32 { none, too_many_ranges, too_little_memory, too_scattered, less_than_block };

struct MemoryPlan {
    MemoryFault fault = MemoryFault::none;
    u32         service = 0;                         // which one it is about
    u64         missing = 0;                         // bytes
    u64         granted[abi::max_services] = {};     // bytes of RAM, blocks included
    u64         lost = 0;                            // bytes of RAM that are nobody's
    u32         count = 0;
    std::array<abi::MemoryRange, abi::max_ranges> ranges{};
};

// The result is written where the caller says: it is too large for a firmware's stack.
void plan_memory(std::span<FirmwareRange const> map, MemoryClaims const& claims, MemoryPlan& plan);

struct MemoryTotals { u64 ram = 0, end_of_ram = 0; };   // bytes; the end counts every kind of memory, not device registers
MemoryTotals measure_memory(std::span<FirmwareRange const> map);

} // namespace kennel::boot
