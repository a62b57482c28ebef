// SPDX-License-Identifier: Apache-2.0
//
// See acpi.hpp. From the root pointer to the table of tables, then one function per table.
#include "boot/acpi.hpp"
#include "boot/acpi_tables.hpp"
#include "hv/lib/checksum.hpp"
#include <cstring>

namespace kennel::boot {

namespace {

using namespace acpi;
using Bytes = std::span<u8 const>;

constexpr u32 largest_table = 4 * 1024 * 1024;   // bytes; DSDTs of large servers reach 1 MiB
constexpr u32 most_tables   = 512;

// As much of T as there is; the rest reads as zero.
template <typename T> T take(Bytes bytes, usize at = 0)
{
    T value{};
    if (at < bytes.size())
        std::memcpy(&value, bytes.data() + at, bytes.size() - at < sizeof value ? bytes.size() - at : sizeof value);
    return value;
}

bool is(char const (&signature)[4], char const* name) { return std::memcmp(signature, name, 4) == 0; }

void note(AcpiFacts& facts, char const (&signature)[4], char const* what)
{
    AcpiFault fault{.table = {}, .what = what};
    for (usize i = 0; i < 4; i++)
        fault.table[i] = signature[i] >= ' ' && signature[i] <= '~' ? signature[i] : '?';
    facts.faults.add(fault);
}

// A whole table with a good checksum, or nothing and a note.
Bytes table_at(TableReader const& reader, u64 address, AcpiFacts& facts)
{
    constexpr char unknown[4] = {'?', '?', '?', '?'};
    Bytes const start = reader.bytes(address, sizeof(Header));
    if (start.empty()) {
        note(facts, unknown, "its address is not in memory");
        return {};
    }
    auto const header = take<Header>(start);
    if (header.length < sizeof(Header) || header.length > largest_table) {
        note(facts, header.signature, "its length makes no sense");
        return {};
    }
    Bytes const table = reader.bytes(address, header.length);
    if (table.empty()) {
        note(facts, header.signature, "its end is not in memory");
        return {};
    }
    if (byte_sum(table) != 0) {
        note(facts, header.signature, "its checksum is wrong");
        return {};
    }
    return table;
}

void add_processor(AcpiFacts& facts, u32 id)
{
    for (u32 const known : facts.apic_ids.all())   // firmware may list one as xAPIC and as x2APIC
        if (known == id)
            return;
    facts.apic_ids.add(id);
}

void read_apics(Bytes table, AcpiFacts& facts)
{
    facts.local_apic = take<ApicTable>(table).local_address;
    for (usize at = sizeof(ApicTable); at + sizeof(ApicEntry) <= table.size();) {
        auto const entry = take<ApicEntry>(table, at);
        if (entry.length < sizeof(ApicEntry) || entry.length > table.size() - at) {
            note(facts, {'A', 'P', 'I', 'C'}, "an entry does not fit into it");
            return;
        }
        Bytes const bytes = table.subspan(at, entry.length);
        at += entry.length;
        switch (entry.kind) {
        case ApicEntryKind::local_apic: {
            auto const cpu = take<LocalApic>(bytes);
            if ((cpu.flags & apic_enabled) != 0 && cpu.id != 0xff)
                add_processor(facts, cpu.id);
            break;
        }
        case ApicEntryKind::local_x2apic: {
            auto const cpu = take<LocalX2Apic>(bytes);
            if ((cpu.flags & apic_enabled) != 0 && cpu.id != 0xffff'ffff)
                add_processor(facts, cpu.id);
            break;
        }
        case ApicEntryKind::io_apic: {
            auto const io = take<IoApicEntry>(bytes);
            if (io.address != 0 && io.address % 16 == 0)
                facts.io_apics.add({.address = io.address, .first_line = io.first_line, .reserved = 0});
            break;
        }
        case ApicEntryKind::override_line: {
            // "MPS INTI Flags": polarity in bits 1:0, trigger mode in bits 3:2; 0 is the ISA bus's own, 3 is low or level.
            auto const line = take<Override>(bytes);
            if (line.bus == 0 && line.line < 16)
                facts.overrides.add({.isa_line = line.line, .global_line = line.global_line,
                                     .level = (line.flags >> 2 & 3) == 3, .active_low = (line.flags & 3) == 3});
            break;
        }
        case ApicEntryKind::local_address:
            if (bytes.size() >= sizeof(LocalAddress))
                facts.local_apic = take<LocalAddress>(bytes).address;
            break;
        default:
            break;   // NMI wiring and the like: nothing of ours
        }
    }
}

// Registers whose 64-bit form is there are given by it, else by the old 32-bit port.
u16 port_of(Address const& extended, u32 old)
{
    if (extended.address != 0 && extended.space == 1 && extended.address <= 0xffff)
        return static_cast<u16>(extended.address);
    return old <= 0xffff ? static_cast<u16>(old) : u16{0};
}

void read_fixed(TableReader const& reader, Bytes table, AcpiFacts& facts)
{
    auto const fixed = take<Fixed>(table);
    facts.power.pm1a_control = port_of(fixed.x_pm1a_control, fixed.pm1a_control);
    facts.power.pm1b_control = port_of(fixed.x_pm1b_control, fixed.pm1b_control);
    if (fixed.pm_timer_length == 4)
        facts.pm_timer = port_of(fixed.x_pm_timer, fixed.pm_timer);
    facts.pm_timer_32_bits = (fixed.flags & fixed_timer_32_bits) != 0;
    if ((fixed.flags & fixed_reset_works) != 0 && fixed.reset.space <= 2 && fixed.reset.address != 0) {
        facts.power.reset_space = static_cast<abi::AddressSpace>(fixed.reset.space);
        facts.power.reset_address = fixed.reset.address;
        facts.power.reset_value = fixed.reset_value;
    }
    u64 const definitions = fixed.x_dsdt != 0 ? fixed.x_dsdt : fixed.dsdt;
    if (definitions == 0)
        return;
    Bytes const code = table_at(reader, definitions, facts);
    if (code.empty())
        return;
    if (auto const types = find_power_off(code.subspan(sizeof(Header)))) {
        facts.power.sleep_a = types->a;
        facts.power.sleep_b = types->b;
        facts.power.sleep_known = 1;
    }
}

void read_ecam(Bytes table, AcpiFacts& facts)
{
    for (usize at = sizeof(EcamTable); at + sizeof(EcamEntry) <= table.size(); at += sizeof(EcamEntry)) {
        auto const entry = take<EcamEntry>(table, at);
        if (entry.base % (1u << 20) == 0 && entry.base < u64{1} << 52 && entry.first_bus <= entry.last_bus)
            facts.ecam.add({.base = entry.base, .segment = entry.segment, .first_bus = entry.first_bus, .last_bus = entry.last_bus});
    }
}

void read_event_timer(Bytes table, AcpiFacts& facts)
{
    auto const timer = take<EventTimer>(table);
    if (timer.address.space == 0 && timer.address.address % 8 == 0)
        facts.hpet = timer.address.address;
}

void read_remapping(Bytes table, AcpiFacts& facts)
{
    constexpr u16 hardware_unit = 0;
    for (usize at = sizeof(Remapping); at + sizeof(RemappingEntry) <= table.size();) {
        auto const entry = take<RemappingEntry>(table, at);
        if (entry.length < sizeof(RemappingEntry))
            return;
        facts.remapping_units += entry.kind == hardware_unit;
        at += entry.length;
    }
}

void read_table(TableReader const& reader, u64 address, AcpiFacts& facts)
{
    // The signature first: tables we have no use for are not read, and may be as damaged as they like.
    auto const header = take<Header>(reader.bytes(address, sizeof(Header)));
    auto const whole = [&] { return table_at(reader, address, facts); };
    facts.table_count++;
    if (is(header.signature, "APIC")) {
        if (Bytes const table = whole(); !table.empty())
            read_apics(table, facts);
    } else if (is(header.signature, "FACP")) {
        if (Bytes const table = whole(); !table.empty())
            read_fixed(reader, table, facts);
    } else if (is(header.signature, "MCFG")) {
        if (Bytes const table = whole(); !table.empty())
            read_ecam(table, facts);
    } else if (is(header.signature, "HPET")) {
        if (Bytes const table = whole(); !table.empty())
            read_event_timer(table, facts);
    } else if (is(header.signature, "DMAR")) {
        if (Bytes const table = whole(); !table.empty())
            read_remapping(table, facts);
    }
}

// An integer of a package; the position moves behind it. ACPI, "Data Objects Encoding".
std::optional<u8> constant(Bytes aml, usize& at)
{
    if (at >= aml.size())
        return {};
    u8 const prefix = aml[at++];
    if (prefix == 0x00 || prefix == 0x01)
        return prefix;                                        // ZeroOp, OneOp
    if (prefix == 0xff)
        return u8{0xff};                                      // OnesOp
    usize const bytes = prefix == 0x0a ? 1 : prefix == 0x0b ? 2 : prefix == 0x0c ? 4 : prefix == 0x0e ? 8 : 0;
    if (bytes == 0 || bytes > aml.size() - at)
        return {};
    u8 const value = aml[at];                                 // little-endian: the low byte first
    at += bytes;
    return value;
}

} // namespace

std::optional<SleepTypes> find_power_off(Bytes aml)
{
    constexpr u8 name_op = 0x08, root_char = '\\', package_op = 0x12;
    for (usize i = 1; i + 7 <= aml.size(); i++) {
        if (std::memcmp(aml.data() + i, "_S5_", 4) != 0)
            continue;
        bool const named = aml[i - 1] == name_op || (i >= 2 && aml[i - 1] == root_char && aml[i - 2] == name_op);
        if (!named || aml[i + 4] != package_op)
            continue;
        // "Package Length Encoding": the two top bits of its first byte say how many bytes follow it.
        usize at = i + 5;
        at += 1 + (aml[at] >> 6);
        if (at >= aml.size() || aml[at] < 1)
            continue;
        u8 const elements = aml[at++];
        auto const a = constant(aml, at);
        auto const b = elements >= 2 ? constant(aml, at) : std::optional<u8>{0};
        if (a && b)
            return SleepTypes{static_cast<u8>(*a & 7), static_cast<u8>(*b & 7)};   // SLP_TYP has three bits
    }
    return {};
}

void read_acpi(TableReader const& reader, u64 root_pointer, AcpiFacts& facts)
{
    facts = {};
    constexpr usize first_part = 20;   // what ACPI 1.0 knew
    Bytes const root_bytes = root_pointer != 0 ? reader.bytes(root_pointer, first_part) : Bytes{};
    if (root_bytes.empty())
        return;
    auto root = take<RootPointer>(root_bytes);
    if (std::memcmp(root.signature, "RSD PTR ", 8) != 0 || byte_sum(root_bytes) != 0)
        return note(facts, {'R', 'S', 'D', 'P'}, "its signature or checksum is wrong");
    if (root.revision >= 2) {
        Bytes const longer = reader.bytes(root_pointer, sizeof(RootPointer));
        if (longer.empty() || byte_sum(longer) != 0)
            note(facts, {'R', 'S', 'D', 'P'}, "its second checksum is wrong, only the RSDT is used");
        else
            root = take<RootPointer>(longer);
    }

    auto const list_at = [&](u64 address, char const* signature) {
        Bytes const table = address != 0 ? table_at(reader, address, facts) : Bytes{};
        return !table.empty() && is(take<Header>(table).signature, signature) ? table : Bytes{};
    };
    Bytes list = list_at(root.xsdt, "XSDT");
    usize const step = list.empty() ? 4 : 8;
    if (list.empty())
        list = list_at(root.rsdt, "RSDT");
    if (list.empty())
        return note(facts, {'X', 'S', 'D', 'T'}, "there is no table of tables");
    facts.found = true;
    for (usize at = sizeof(Header); at + step <= list.size() && facts.table_count < most_tables; at += step) {
        u64 const address = step == 8 ? take<u64>(list, at) : take<u32>(list, at);
        if (address != 0)
            read_table(reader, address, facts);
    }
}

} // namespace kennel::boot
