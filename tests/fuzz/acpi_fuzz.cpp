// SPDX-License-Identifier: Apache-2.0
//
// Firmware tables of any content. Checksums and the way to the tables are put right, since no fuzzer finds them;
// everything behind them is the input. The first byte says how much is put right.
#include "boot/acpi.hpp"
#include "hv/lib/checksum.hpp"
#include "tests/fuzz/input.hpp"
#include <vector>

using namespace kennel;
using namespace kennel::boot;
using fuzz::demand;

namespace {

constexpr u64 base = 0x7000'0000;

struct Memory final : TableReader {
    std::vector<u8> all;

    std::span<u8 const> bytes(u64 physical, u64 size) const override
    {
        if (physical < base || physical - base > all.size() || size > all.size() - (physical - base))
            return {};
        return std::span<u8 const>{all}.subspan(physical - base, size);
    }
    u64 end() const { return base + all.size(); }
    void append(std::span<u8 const> bytes) { all.insert(all.end(), bytes.begin(), bytes.end()); }
};

void seal(std::vector<u8>& table, usize at, usize length)
{
    table[at] = 0;
    table[at] = static_cast<u8>(0 - byte_sum(std::span<u8 const>{table}.first(length)));
}

// A table with a header that is right, unless the input asked for one that is not.
std::vector<u8> make_table(char const* signature, std::span<u8 const> content, bool right)
{
    std::vector<u8> table(36, 0);
    std::memcpy(table.data(), signature, 4);
    table.insert(table.end(), content.begin(), content.end());
    u32 const length = static_cast<u32>(table.size());
    if (right) {
        std::memcpy(&table[4], &length, 4);
        seal(table, 9, table.size());
    } else {
        std::memcpy(&table[4], table.data() + 36, length - 36 < 6 ? length - 36 : 6);
    }
    return table;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(unsigned char const* data, size_t size)
{
    static constexpr char const* signatures[] = {"APIC", "FACP", "MCFG", "HPET", "DMAR", "SSDT", "DSDT", "BGRT"};
    fuzz::Input input{data, size};
    (void)find_power_off(input.rest());

    u8 const how = input.take<u8>();
    Memory memory;
    u64 root_pointer = base;
    if (how & 1) {
        memory.append(input.rest());
    } else {
        std::vector<u8> list, root(36, 0);
        memory.all.resize(64, 0);
        while (!input.empty() && list.size() < 64 * 8) {
            u8 const kind = input.take<u8>();
            auto const content = input.bytes(input.take<u16>() % 600u);
            auto table = make_table(signatures[kind % 8], content, (kind & 0xf0) != 0xf0);
            u64 address = memory.end();
            if (kind % 8 == 1 && table.size() >= 148 && (kind & 8)) {
                std::memcpy(&table[140], &address, 8);  // a DSDT that is there: this table itself, no DSDT by name
                seal(table, 9, table.size());
            }
            memory.append(table);
            if (kind == 0xff)
                address = input.take<u64>();
            for (usize i = 0; i < ((how & 2) ? 4u : 8u); i++)
                list.push_back(static_cast<u8>(address >> (8 * i)));
        }
        u64 const list_at = memory.end();
        memory.append(make_table((how & 2) ? "RSDT" : "XSDT", list, (how & 0xf0) != 0xf0));
        std::memcpy(root.data(), "RSD PTR ", 8);
        root[15] = (how & 4) ? 0 : 2;
        u32 const low = static_cast<u32>(list_at);
        std::memcpy(&root[16], &low, 4);
        if (!(how & 2))
            std::memcpy(&root[24], &list_at, 8);
        root[20] = 36;
        seal(root, 8, 20);
        seal(root, 32, 36);
        std::memcpy(memory.all.data(), root.data(), root.size());
    }

    static AcpiFacts facts;
    read_acpi(memory, root_pointer, facts);
    demand(facts.apic_ids.count <= abi::max_cpus && facts.io_apics.count <= abi::max_io_apics);
    demand(facts.overrides.count <= abi::max_line_overrides && facts.ecam.count <= 8 && facts.faults.count <= 8);
    demand(facts.power.sleep_a <= 7 && facts.power.sleep_b <= 7);
    for (auto const& fault : facts.faults.all())
        demand(std::memchr(fault.table, 0, sizeof fault.table) != nullptr && fault.what != nullptr);
    return 0;
}
