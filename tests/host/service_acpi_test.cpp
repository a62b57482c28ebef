// SPDX-License-Identifier: Apache-2.0
//
// The ACPI tables a guest finds, followed from the RSDP as a kernel does, and read by ACPICA's own disassembler.
#include "drivers/guest/acpi.hpp"
#include "drivers/guest/layout.hpp"
#include "hv/lib/checksum.hpp"
#include <doctest/doctest.h>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

using namespace kennel;
using namespace kennel::service;

extern "C" u8 const dsdt_begin[], dsdt_end[];

namespace {

struct Tables {
    std::vector<u8> ram = std::vector<u8>(2 << 20);
    GuestMemory memory;
    u64 rsdp = 0;

    explicit Tables(u32 cpus = 1)
    {
        memory.add(ram.data(), ram.size());
        auto const at = write_acpi_tables(memory, {dsdt_begin, dsdt_end}, cpus);
        REQUIRE(at.has_value());
        rsdp = *at;
    }
    template<class T> T at(u64 address)
    {
        T value{};
        REQUIRE(memory.copy_in(address, value));
        return value;
    }
    std::span<u8 const> table(u64 address) { return memory.span(address, at<u32>(address + 4)); }
    std::string signature(u64 address) { return {reinterpret_cast<char const*>(&ram[address]), 4}; }
    std::vector<u64> all()
    {
        u64 const xsdt = at<u64>(rsdp + 24);
        std::vector<u64> found;
        for (u64 entry = xsdt + 36; entry < xsdt + at<u32>(xsdt + 4); entry += 8)
            found.push_back(at<u64>(entry));
        return found;
    }
    u64 find(std::string const& name)
    {
        for (u64 table : all())
            if (signature(table) == name)
                return table;
        FAIL("no table ", name);
        return 0;
    }
};

} // namespace

TEST_CASE("acpi: every checksum is right and every table lies in the reserved range")
{
    Tables tables;
    CHECK(byte_sum(tables.memory.span(tables.rsdp, 20)) == 0);
    CHECK(byte_sum(tables.memory.span(tables.rsdp, 36)) == 0);
    u64 const xsdt = tables.at<u64>(tables.rsdp + 24);
    auto found = tables.all();
    CHECK(found.size() == 3);
    found.push_back(xsdt);
    found.push_back(tables.at<u64>(tables.find("FACP") + 140));
    for (u64 table : found) {
        CAPTURE(tables.signature(table));
        CHECK(byte_sum(tables.table(table)) == 0);
        CHECK(table >= layout::acpi);
        CHECK(table + tables.table(table).size() <= layout::acpi + layout::acpi_size);
    }
}

TEST_CASE("acpi: hardware-reduced, reset and sleep registers, no i8042, VGA or CMOS clock")
{
    Tables tables;
    u64 const fadt = tables.find("FACP");
    u32 const flags = tables.at<u32>(fadt + 112);
    CHECK((flags & (1 << 20)) != 0);
    CHECK((flags & (1 << 10)) != 0);
    CHECK(tables.at<u16>(fadt + 109) == 0x24);
    CHECK(tables.at<u64>(fadt + 120) == 0x600);
    CHECK(tables.at<u64>(fadt + 248) == 0x604);
    CHECK(tables.at<u64>(fadt + 260) == 0x605);
}

TEST_CASE("acpi: one enabled processor entry for each CPU, and the I/O APIC")
{
    for (u32 cpus : {1u, 2u, 32u}) {
        Tables tables{cpus};
        u64 const madt = tables.find("APIC");
        u64 const end = madt + tables.at<u32>(madt + 4);
        u32 processors = 0, io_apics = 0;
        for (u64 entry = madt + 44; entry < end; entry += tables.at<u8>(entry + 1)) {
            if (tables.at<u8>(entry) == 0) {
                CHECK(tables.at<u8>(entry + 3) == processors++);
                CHECK(tables.at<u32>(entry + 4) == 1);
            } else {
                CHECK(tables.at<u8>(entry) == 1);
                CHECK(tables.at<u32>(entry + 4) == 0xfec0'0000);
                io_apics++;
            }
        }
        CHECK(processors == cpus);
        CHECK(io_apics == 1);
    }
}

TEST_CASE("acpi: no room, no tables")
{
    std::vector<u8> ram(0xe'0000 + 100);
    GuestMemory memory;
    memory.add(ram.data(), ram.size());
    CHECK_FALSE(write_acpi_tables(memory, {dsdt_begin, dsdt_end}, 1).has_value());
    std::vector<u8> more(2 << 20), huge(100'000);
    GuestMemory enough;
    enough.add(more.data(), more.size());
    CHECK_FALSE(write_acpi_tables(enough, huge, 1).has_value());
}

TEST_CASE("acpi: iasl disassembles every table without a complaint")
{
    Tables tables{2};
    std::array<char, 32> folder{"/tmp/kennel-acpi-XXXXXX"};
    REQUIRE(mkdtemp(folder.data()) != nullptr);
    std::string const base = folder.data();
    auto found = tables.all();
    found.push_back(tables.at<u64>(tables.rsdp + 24));
    found.push_back(tables.at<u64>(tables.find("FACP") + 140));
    for (u64 table : found) {
        std::string const name = tables.signature(table);
        CAPTURE(name);
        auto const bytes = tables.table(table);
        std::ofstream{base + "/" + name + ".aml", std::ios::binary}.write(reinterpret_cast<char const*>(bytes.data()), static_cast<long>(bytes.size()));
        std::string const log = base + "/" + name + ".log";
        REQUIRE(std::system(("cd " + base + " && iasl -d " + name + ".aml > " + log + " 2>&1").c_str()) == 0);
        std::ifstream file{log};
        std::string const said{std::istreambuf_iterator<char>{file}, {}};
        CHECK(said.find("rror") == std::string::npos);
        CHECK(said.find("arning") == std::string::npos);
        CHECK(std::filesystem::exists(base + "/" + name + ".dsl"));
    }
    std::filesystem::remove_all(base);
}
