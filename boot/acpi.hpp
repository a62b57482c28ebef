// SPDX-License-Identifier: Apache-2.0
//
// What the loader learns from the firmware's ACPI tables: processors, IOAPICs, line overrides, how to reset and power
// off, the PM timer, the HPET, ECAM windows. Tables are bytes of unknown origin: a table that is damaged is left out and
// named. Pure; memory is reached only through TableReader, so the host can test and fuzz it.
#pragma once
#include "hv/abi/boot_info.hpp"
#include <array>
#include <optional>
#include <span>

namespace kennel::boot {

class TableReader {
public:
    // `size` bytes at a physical address; empty when they are not all readable memory.
    virtual std::span<u8 const> bytes(u64 physical, u64 size) const = 0;

protected:
    ~TableReader() = default;
};

struct AcpiFault { char table[5]; char const* what; };   // e.g. {"MADT", "its checksum is wrong"}

struct EcamWindow { u64 base = 0; u32 segment = 0, first_bus = 0, last_bus = 0; };

template <typename T, usize capacity> struct Bounded {
    std::array<T, capacity> items{};
    u32                     count = 0;
    u32                     left_out = 0;   // had no place

    void add(T const& item)
    {
        if (count < capacity)
            items[count++] = item;
        else
            left_out++;
    }
    std::span<T const> all() const { return {items.data(), count}; }
};

constexpr abi::PowerControl no_power_control()
{
    abi::PowerControl power{};
    power.reset_space = abi::AddressSpace::none;   // 0 would be memory
    return power;
}

struct AcpiFacts {
    bool found = false;      // a root pointer with a table of tables
    u32  table_count = 0;
    Bounded<u32, abi::max_cpus>                        apic_ids;      // of enabled processors, in the MADT's order
    Bounded<abi::IoApic, abi::max_io_apics>            io_apics;
    Bounded<abi::LineOverride, abi::max_line_overrides> overrides;
    Bounded<EcamWindow, 8>                             ecam;
    Bounded<AcpiFault, 8>                              faults;
    u64  local_apic = 0;
    u64  hpet = 0;           // address of its registers
    u16  pm_timer = 0;       // port
    bool pm_timer_32_bits = false;
    u32  remapping_units = 0;
    abi::PowerControl power = no_power_control();
};

// Into the caller's memory: too large for a firmware's stack.
void read_acpi(TableReader const& reader, u64 root_pointer, AcpiFacts& facts);

// The values of SLP_TYPa and SLP_TYPb for S5, found without interpreting: Name (_S5_, Package (..) {a, b, ..}).
struct SleepTypes { u8 a, b; };
std::optional<SleepTypes> find_power_off(std::span<u8 const> aml);

} // namespace kennel::boot
