// SPDX-License-Identifier: Apache-2.0
//
// The ACPI tables the loader reads, as far as it reads them: each field with its byte offset.
// ACPI specification 6.x, the section named above each structure. All are copied out of the tables, never pointed at.
#pragma once
#include "hv/lib/types.hpp"

namespace kennel::boot::acpi {

#pragma pack(push, 1)

// "Root System Description Pointer (RSDP) Structure"
struct RootPointer {
    char signature[8];      //  0  "RSD PTR "
    u8   checksum;          //  8  of the first 20 bytes
    char oem[6];            //  9
    u8   revision;          // 15  0: ACPI 1.0, ends before `length`
    u32  rsdt;              // 16
    u32  length;            // 20
    u64  xsdt;              // 24
    u8   long_checksum;     // 32  of all `length` bytes
    u8   reserved[3];       // 33
};
static_assert(sizeof(RootPointer) == 36);

// "System Description Table Header"
struct Header {
    char signature[4];      //  0
    u32  length;            //  4  with this header
    u8   revision;          //  8
    u8   checksum;          //  9
    char oem[6];            // 10
    char oem_table[8];      // 16
    u32  oem_revision;      // 24
    u32  creator;           // 28
    u32  creator_revision;  // 32
};
static_assert(sizeof(Header) == 36);

// "Generic Address Structure (GAS)"
struct Address {
    u8  space;              //  0  0: memory, 1: port, 2: PCI configuration
    u8  width;              //  1  bits
    u8  offset;             //  2  bits
    u8  access;             //  3
    u64 address;            //  4
};
static_assert(sizeof(Address) == 12);

// "Fixed ACPI Description Table (FADT)"; older ones end early, what is missing reads as 0.
struct Fixed {
    Header  header;         //   0
    u32     firmware_control; // 36
    u32     dsdt;           //  40
    u8      unused0[20];    //  44
    u32     pm1a_control;   //  64
    u32     pm1b_control;   //  68
    u32     pm2_control;    //  72
    u32     pm_timer;       //  76
    u8      unused1[11];    //  80
    u8      pm_timer_length; // 91
    u8      unused2[20];    //  92
    u32     flags;          // 112
    Address reset;          // 116
    u8      reset_value;    // 128
    u8      unused3[11];    // 129
    u64     x_dsdt;         // 140
    u8      unused4[24];    // 148
    Address x_pm1a_control; // 172
    Address x_pm1b_control; // 184
    u8      unused5[12];    // 196
    Address x_pm_timer;     // 208
};
static_assert(sizeof(Fixed) == 220);
inline constexpr u32 fixed_timer_32_bits = 1u << 8;    // TMR_VAL_EXT
inline constexpr u32 fixed_reset_works   = 1u << 10;   // RESET_REG_SUP

// "Multiple APIC Description Table (MADT)" and its interrupt controller structures
struct ApicTable {
    Header header;          //  0
    u32    local_address;   // 36
    u32    flags;           // 40
};
static_assert(sizeof(ApicTable) == 44);

enum class ApicEntryKind : u8 { local_apic = 0, io_apic = 1, override_line = 2, local_address = 5, local_x2apic = 9 };

struct ApicEntry     { ApicEntryKind kind; u8 length; };                                      // 0, 1
struct LocalApic     { ApicEntry entry; u8 uid; u8 id; u32 flags; };                          // 2, 3, 4
struct IoApicEntry   { ApicEntry entry; u8 id; u8 reserved; u32 address; u32 first_line; };   // 2, 3, 4, 8
struct Override      { ApicEntry entry; u8 bus; u8 line; u32 global_line; u16 flags; };       // 2, 3, 4, 8
struct LocalAddress  { ApicEntry entry; u16 reserved; u64 address; };                         // 2, 4
struct LocalX2Apic   { ApicEntry entry; u16 reserved; u32 id; u32 flags; u32 uid; };          // 2, 4, 8, 12
static_assert(sizeof(LocalApic) == 8 && sizeof(IoApicEntry) == 12 && sizeof(Override) == 10);
static_assert(sizeof(LocalAddress) == 12 && sizeof(LocalX2Apic) == 16);
inline constexpr u32 apic_enabled = 1;

// PCI Firmware Specification, "MCFG Table Description"
struct EcamTable { Header header; u64 reserved; };                                                   // 36
struct EcamEntry { u64 base; u16 segment; u8 first_bus, last_bus; u32 reserved; };                   // 0, 8, 10, 11
static_assert(sizeof(EcamTable) == 44 && sizeof(EcamEntry) == 16);

// IA-PC HPET Specification, "The HPET Description Table"
struct EventTimer { Header header; u32 id; Address address; u8 number; u16 minimum_tick; u8 attributes; };  // 36, 40, 52
static_assert(sizeof(EventTimer) == 56);

// Intel VT-d specification, "DMA Remapping Reporting Structure"
struct Remapping { Header header; u8 address_width; u8 flags; u8 reserved[10]; };                    // 36, 37
struct RemappingEntry { u16 kind; u16 length; };                                                     // 0, 2
static_assert(sizeof(Remapping) == 48);

#pragma pack(pop)

} // namespace kennel::boot::acpi
