// SPDX-License-Identifier: Apache-2.0
//
// See acpi.hpp. Each table is a column of byte offsets with what stands there: ACPI specification 6.4, "ACPI Software
// Programming Model"; MCFG: PCI Firmware Specification 3.2, "MCFG Table".
#include "drivers/guest/acpi.hpp"
#include "drivers/guest/layout.hpp"
#include "drivers/model/ioapic.hpp"
#include "drivers/model/pci.hpp"
#include "drivers/model/power.hpp"
#include "hv/lib/checksum.hpp"
#include <string_view>

namespace kennel::service {

namespace {

constexpr u32 most_cpus = 32;
constexpr u32 header_bytes = 36;

// A table under construction, zero where nothing was put. Every offset is ours and known when compiling.
class Table {
public:
    Table(char const (&signature)[5], u8 revision, u32 length) : length_{length}
    {
        text(0, {signature, 4});
        put(4, length);
        put(8, revision);
        text(10, "KENNEL");
        text(16, "KENNELVM");
        put(24, u32{1});
        text(28, "KENL");
        put(32, u32{1});
    }

    template<class T> void put(u32 offset, T value) { std::memcpy(bytes_ + offset, &value, sizeof value); }
    void text(u32 offset, std::string_view words) { std::memcpy(bytes_ + offset, words.data(), words.size()); }

    // "Generic Address Structure": a register of one byte in I/O space.
    void put_port(u32 offset, u16 port)
    {
        put<u8>(offset, 1);
        put<u8>(offset + 1, 8);
        put<u8>(offset + 3, 1);
        put<u64>(offset + 4, port);
    }

    std::span<u8 const> sealed()
    {
        bytes_[9] = 0;
        bytes_[9] = static_cast<u8>(0u - byte_sum({bytes_, length_}));
        return {bytes_, length_};
    }

private:
    static constexpr u32 capacity = header_bytes + 8 + 12 + 8 * most_cpus + 300;
    u8  bytes_[capacity] = {};
    u32 length_;
};

// Places tables one behind the other.
class Writer {
public:
    explicit Writer(GuestMemory const& memory) : memory_{memory} {}

    u64 write(std::span<u8 const> table)
    {
        u64 const at = next_;
        if (table.size() > layout::acpi + layout::acpi_size - at) {
            failed_ = true;
            return 0;
        }
        auto const room = memory_.span(at, table.size());
        if (room.empty())
            failed_ = true;
        else
            std::memcpy(room.data(), table.data(), table.size());
        next_ = (at + table.size() + 15) & ~15ull;
        return at;
    }
    bool failed() const { return failed_; }

private:
    GuestMemory const& memory_;
    u64  next_ = layout::acpi + 64;                   // the RSDP comes first, but knows where the others are
    bool failed_ = false;
};

Table make_fadt(u64 dsdt)
{
    constexpr u32 write_back_invalidate = 1 << 0, no_power_button = 1 << 4, no_sleep_button = 1 << 5, reset_register = 1 << 10,
                  physical_destinations = 1 << 19, hardware_reduced = 1 << 20;
    constexpr u16 no_vga = 1 << 2, no_cmos_clock = 1 << 5;    // bits 0 and 1 clear: no legacy devices, no i8042

    Table fadt{"FACP", 6, 276};
    fadt.put<u32>(40, static_cast<u32>(dsdt));
    fadt.put<u16>(96, 101);                           // C2 and C3 latency: larger than allowed, so not there
    fadt.put<u16>(98, 1001);
    fadt.put<u16>(109, no_vga | no_cmos_clock);
    fadt.put<u32>(112, write_back_invalidate | no_power_button | no_sleep_button | reset_register | physical_destinations | hardware_reduced);
    fadt.put_port(116, Power::reset_port);
    fadt.put<u8>(128, Power::reset_value);
    fadt.put<u8>(131, 4);                             // minor revision: 6.4
    fadt.put<u64>(140, dsdt);
    fadt.put_port(244, Power::sleep_control);
    fadt.put_port(256, Power::sleep_status);
    fadt.text(268, "KENNEL");
    return fadt;
}

Table make_madt(u32 cpu_count)
{
    constexpr u32 fixed = header_bytes + 8, processor = 8, io_apic = 12;
    Table madt{"APIC", 5, fixed + cpu_count * processor + io_apic};
    madt.put<u32>(36, 0xfee0'0000);                   // where the local APICs would be; 40: no 8259
    u32 at = fixed;
    // Ids below 255 are told by "Processor Local APIC" entries, in x2APIC mode too.
    for (u32 id = 0; id < cpu_count; id++, at += processor) {
        madt.put<u8>(at, 0);
        madt.put<u8>(at + 1, processor);
        madt.put<u8>(at + 2, static_cast<u8>(id));    // processor uid
        madt.put<u8>(at + 3, static_cast<u8>(id));    // APIC id
        madt.put<u32>(at + 4, 1);                     // enabled
    }
    madt.put<u8>(at, 1);
    madt.put<u8>(at + 1, io_apic);
    madt.put<u32>(at + 4, static_cast<u32>(IoApic::address));
    return madt;
}

Table make_mcfg()
{
    Table mcfg{"MCFG", 1, 60};
    mcfg.put<u64>(44, PciHost::ecam_base);            // 52: segment 0, 54: first bus 0
    mcfg.put<u8>(55, PciHost::ecam_size / (1 << 20) - 1);
    return mcfg;
}

} // namespace

std::optional<u64> write_acpi_tables(GuestMemory const& memory, std::span<u8 const> dsdt, u32 cpu_count)
{
    Writer writer{memory};
    u64 const dsdt_at = writer.write(dsdt);
    u64 const tables[3] = {
        writer.write(make_fadt(dsdt_at).sealed()),
        writer.write(make_madt(std::min(cpu_count, most_cpus)).sealed()),
        writer.write(make_mcfg().sealed()),
    };
    Table xsdt{"XSDT", 1, header_bytes + sizeof tables};
    for (u32 i = 0; i < std::size(tables); i++)
        xsdt.put<u64>(header_bytes + 8 * i, tables[i]);
    u64 const xsdt_at = writer.write(xsdt.sealed());

    // "Root System Description Pointer": the first checksum covers 20 bytes, the second all 36.
    u8 rsdp[36] = {'R', 'S', 'D', ' ', 'P', 'T', 'R', ' ', 0, 'K', 'E', 'N', 'N', 'E', 'L', 2};
    rsdp[20] = sizeof rsdp;
    std::memcpy(rsdp + 24, &xsdt_at, sizeof xsdt_at);
    rsdp[8] = static_cast<u8>(0u - byte_sum({rsdp, 20}));
    rsdp[32] = static_cast<u8>(0u - byte_sum({rsdp, sizeof rsdp}));
    if (writer.failed() || !memory.copy_out(layout::acpi, rsdp))
        return std::nullopt;
    return layout::acpi;
}

} // namespace kennel::service
