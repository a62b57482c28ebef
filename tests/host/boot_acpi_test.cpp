// SPDX-License-Identifier: Apache-2.0
#include "boot/acpi.hpp"
#include "hv/lib/checksum.hpp"
#include <cstring>
#include <doctest/doctest.h>
#include <string>
#include <vector>

using namespace kennel;
using namespace kennel::boot;

namespace {

// A firmware's memory with tables in it, built by the offsets of the ACPI specification.
class Memory final : public TableReader {
public:
    static constexpr u64 base = 0x7fe0'0000;

    std::span<u8 const> bytes(u64 physical, u64 size) const override
    {
        if (physical < base || physical - base > all_.size() || size > all_.size() - (physical - base))
            return {};
        return std::span<u8 const>{all_}.subspan(physical - base, size);
    }

    u64 add(std::vector<u8> const& table)
    {
        u64 const address = base + all_.size();
        all_.insert(all_.end(), table.begin(), table.end());
        return address;
    }

    // The root pointer goes last: it names the table of tables.
    u64 add_root(u64 rsdt, u64 xsdt)
    {
        std::vector<u8> root(36, 0);
        std::memcpy(root.data(), "RSD PTR ", 8);
        root[15] = xsdt != 0 ? 2 : 0;
        root[20] = 36;
        std::memcpy(&root[16], &rsdt, 4);
        std::memcpy(&root[24], &xsdt, 8);
        root[8] = static_cast<u8>(0 - byte_sum(std::span{root}.first(20)));
        root[32] = static_cast<u8>(0 - byte_sum(root));
        return add(root);
    }

private:
    std::vector<u8> all_;
};

struct Table {
    std::vector<u8> bytes = std::vector<u8>(36, 0);

    explicit Table(char const* signature, usize size = 36)
    {
        bytes.resize(size, 0);
        std::memcpy(bytes.data(), signature, 4);
    }
    template <typename T> Table& put(usize at, T value)
    {
        if (bytes.size() < at + sizeof value)
            bytes.resize(at + sizeof value, 0);
        std::memcpy(&bytes[at], &value, sizeof value);
        return *this;
    }
    Table& append(std::vector<u8> const& more)
    {
        bytes.insert(bytes.end(), more.begin(), more.end());
        return *this;
    }
    std::vector<u8> sealed() const
    {
        auto copy = bytes;
        u32 const length = static_cast<u32>(copy.size());
        std::memcpy(&copy[4], &length, 4);
        copy[9] = 0;
        copy[9] = static_cast<u8>(0 - byte_sum(copy));
        return copy;
    }
};

AcpiFacts read(Memory& memory, std::vector<u64> const& tables, bool wide = true)
{
    Table list(wide ? "XSDT" : "RSDT");
    for (u64 const address : tables)
        for (usize i = 0; i < (wide ? 8u : 4u); i++)
            list.append({static_cast<u8>(address >> (8 * i))});
    u64 const at = memory.add(list.sealed());
    AcpiFacts facts;
    read_acpi(memory, memory.add_root(wide ? 0 : at, wide ? at : 0), facts);
    return facts;
}

std::vector<u8> const power_off_code = {0x14, 0x08, '_', 'P', 'T', 'S', 0x01, 0x00,                      // something before it
                                        0x08, '_', 'S', '5', '_', 0x12, 0x07, 0x04, 0x0a, 0x05, 0x01, 0x00, 0x00};

} // namespace

TEST_CASE("acpi: the MADT's processors, IOAPICs and overrides")
{
    for (bool const wide : {false, true}) {
        Memory memory;
        Table madt("APIC", 44);
        madt.put<u32>(36, 0xfee0'0000);
        madt.append({0, 8, 0, 0, 1, 0, 0, 0});                                    // processor 0
        madt.append({0, 8, 1, 2, 1, 0, 0, 0});                                    // processor with APIC id 2
        madt.append({0, 8, 2, 4, 0, 0, 0, 0});                                    // not enabled
        madt.append({9, 16, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0});           // id 2 again, as x2APIC
        madt.append({9, 16, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0});           // id 256
        madt.append({1, 12, 0, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0});
        madt.append({2, 10, 0, 0, 2, 0, 0, 0, 0, 0});                             // ISA 0 -> 2, as the bus has it
        madt.append({2, 10, 0, 9, 9, 0, 0, 0, 0x0f, 0});                          // ISA 9, level, active low
        madt.append({4, 6, 0xff, 0, 0, 1});                                       // NMI: of no interest
        auto const facts = read(memory, {memory.add(madt.sealed())}, wide);
        CHECK(facts.found);
        CHECK(facts.faults.count == 0);
        CHECK(facts.local_apic == 0xfee0'0000);
        REQUIRE(facts.apic_ids.count == 3);
        CHECK(facts.apic_ids.items[1] == 2);
        CHECK(facts.apic_ids.items[2] == 256);
        REQUIRE(facts.io_apics.count == 1);
        CHECK(facts.io_apics.items[0].address == 0xfec0'0000);
        REQUIRE(facts.overrides.count == 2);
        CHECK(facts.overrides.items[0].global_line == 2);
        CHECK(facts.overrides.items[0].level == 0);
        CHECK(facts.overrides.items[1].level == 1);
        CHECK(facts.overrides.items[1].active_low == 1);
    }
}

TEST_CASE("acpi: the FADT's registers and the DSDT's power-off values")
{
    Memory memory;
    u64 const code = memory.add(Table("DSDT").append(power_off_code).sealed());
    Table fadt("FACP", 244);
    fadt.put<u32>(40, static_cast<u32>(code)).put<u32>(64, 0x604).put<u32>(76, 0x608).put<u8>(91, 4).put<u32>(112, 1u << 8 | 1u << 10);
    fadt.put<u8>(116, 1).put<u64>(120, 0xcf9).put<u8>(128, 6);
    auto const facts = read(memory, {memory.add(fadt.sealed())});
    CHECK(facts.power.pm1a_control == 0x604);
    CHECK(facts.power.pm1b_control == 0);
    CHECK(facts.pm_timer == 0x608);
    CHECK(facts.pm_timer_32_bits);
    CHECK(facts.power.reset_space == abi::AddressSpace::port);
    CHECK(facts.power.reset_address == 0xcf9);
    CHECK(facts.power.reset_value == 6);
    CHECK(facts.power.sleep_known == 1);
    CHECK(facts.power.sleep_a == 5);
    CHECK(facts.power.sleep_b == 1);
}

TEST_CASE("acpi: an old, short FADT has neither reset register nor extended addresses")
{
    Memory memory;
    Table fadt("FACP", 116);
    fadt.put<u32>(64, 0xb004).put<u32>(112, 1u << 10);
    auto const facts = read(memory, {memory.add(fadt.sealed())});
    CHECK(facts.power.pm1a_control == 0xb004);
    CHECK(facts.power.reset_space == abi::AddressSpace::none);
}

TEST_CASE("acpi: ECAM, HPET and DMA remapping")
{
    Memory memory;
    Table mcfg("MCFG", 44);
    mcfg.put<u64>(44, 0xb000'0000).put<u8>(54, 0).put<u8>(55, 255).put<u32>(56, 0);
    Table hpet("HPET", 56);
    hpet.put<u64>(44, 0xfed0'0000);
    Table dmar("DMAR", 48);
    dmar.append({0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}).append({1, 0, 8, 0, 0, 0, 0, 0}).append({0, 0, 4, 0});
    auto const facts = read(memory, {memory.add(mcfg.sealed()), memory.add(hpet.sealed()), memory.add(dmar.sealed())});
    REQUIRE(facts.ecam.count == 1);
    CHECK(facts.ecam.items[0].base == 0xb000'0000);
    CHECK(facts.ecam.items[0].last_bus == 255);
    CHECK(facts.hpet == 0xfed0'0000);
    CHECK(facts.remapping_units == 2);
}

TEST_CASE("acpi: a damaged table is left out and named, the others count")
{
    Memory memory;
    auto broken = Table("APIC", 60).sealed();
    broken[50] ^= 1;
    Table hpet("HPET", 56);
    hpet.put<u64>(44, 0xfed0'0000);
    auto const facts = read(memory, {memory.add(broken), 0x1000, memory.add(hpet.sealed())});
    CHECK(facts.apic_ids.count == 0);
    CHECK(facts.hpet == 0xfed0'0000);
    REQUIRE(facts.faults.count == 1);
    CHECK(std::string(facts.faults.items[0].table) == "APIC");
}

TEST_CASE("acpi: entries that claim more than there is end the table")
{
    for (u8 const length : {u8{0}, u8{1}, u8{200}}) {
        Memory memory;
        Table madt("APIC", 44);
        madt.append({0, 8, 0, 0, 1, 0, 0, 0}).append({0, length, 1, 1, 1, 0, 0, 0});
        auto const facts = read(memory, {memory.add(madt.sealed())});
        CHECK(facts.apic_ids.count == 1);
        CHECK(facts.faults.count == 1);
    }
}

TEST_CASE("acpi: no root pointer, a bad one, and a bad XSDT beside a good RSDT")
{
    AcpiFacts facts;
    Memory memory;
    read_acpi(memory, 0, facts);
    CHECK_FALSE(facts.found);
    read_acpi(memory, 0x1234, facts);
    CHECK_FALSE(facts.found);

    Table hpet("HPET", 56);
    hpet.put<u64>(44, 0xfed0'0000);
    u64 const table = memory.add(hpet.sealed());
    Table list("RSDT");
    list.put<u32>(36, static_cast<u32>(table));
    auto xsdt = Table("XSDT").put<u64>(36, table).sealed();
    xsdt[9] ^= 1;
    u64 const bad = memory.add(xsdt);
    read_acpi(memory, memory.add_root(memory.add(list.sealed()), bad), facts);
    CHECK(facts.found);
    CHECK(facts.hpet == 0xfed0'0000);
    CHECK(facts.faults.count == 1);
}

TEST_CASE("acpi: the search for _S5_ knows the encodings and nothing else")
{
    auto const search = [](std::vector<u8> const& code) { return find_power_off(code); };
    CHECK(search(power_off_code)->a == 5);
    CHECK(search({0x08, '\\', '_', 'S', '5', '_', 0x12, 0x06, 0x02, 0x00, 0x01})->b == 1);
    CHECK(search({0x08, '_', 'S', '5', '_', 0x12, 0x41, 0x00, 0x02, 0x0b, 0x07, 0x00, 0x0c, 0x03, 0, 0, 0})->a == 7);
    CHECK(search({0x08, '_', 'S', '5', '_', 0x12, 0x05, 0x01, 0x0a, 0x03})->b == 0);
    CHECK_FALSE(search({0x10, '_', 'S', '5', '_', 0x12, 0x06, 0x02, 0x00, 0x01}));          // not a Name
    CHECK_FALSE(search({0x08, '_', 'S', '5', '_', 0x11, 0x06, 0x02, 0x00, 0x01}));          // not a Package
    CHECK_FALSE(search({0x08, '_', 'S', '5', '_', 0x12, 0xc6, 0x02}));                      // ends in its length
    CHECK_FALSE(search({0x08, '_', 'S', '5', '_', 0x12, 0x06, 0x02, 0x0a}));                // ends in a number
    CHECK_FALSE(search({}));
}
