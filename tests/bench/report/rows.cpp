// SPDX-License-Identifier: Apache-2.0
//
// See rows.hpp.
#include "tests/bench/report/rows.hpp"
#include <format>
#include <set>

namespace kennel::bench {

namespace {

struct Known {
    char const*                  group;
    char const*                  name;
    char const*                  label;
    std::optional<std::uint64_t> goal = {};
};

constexpr Known known[] = {
    {"primitive", "cpuid", "CPUID, leaf 0", 100},
    {"primitive", "cpuid-leaf-1", "CPUID, leaf 1"},
    {"primitive", "null-hypercall", "null hypercall", 100},
    {"primitive", "pio-service-in", "port read, answered outside the hypervisor", 420},
    {"primitive", "pio-service-out", "port write, answered outside the hypervisor", 420},
    {"primitive", "pio-unclaimed", "port read, nobody's"},
    {"primitive", "mmio-service-read-first", "memory read, answered outside, first time", 2300},
    {"primitive", "mmio-service-read", "memory read, answered outside, warm", 650},
    {"primitive", "msr-read", "MSR read"},
    {"primitive", "tsc-deadline-write", "TSC-deadline write", 130},
    {"primitive", "self-ipi-with-eoi", "self-IPI with EOI, no APICv", 250},
    {"primitive", "host-timer-to-handler", "host timer to guest's handler", 400},
    {"primitive", "halt-wake", "HLT: deadline to guest's handler"},
    {"primitive", "doorbell", "doorbell, bit only", 120},
    {"primitive", "doorbell-nothing-to-do", "doorbell, the service looks and finds nothing"},
    {"primitive", "doorbell-to-interrupt", "doorbell, service, interrupt, handler", 850},
    {"primitive", "partition-switch", "from one busy guest to another"},
    {"primitive", "first-touch-4k", "first touch of a 4 KiB page"},
    {"primitive", "first-touch-2m", "first touch of a 2 MiB page"},
    {"request", "virtio-blk-read-4k", "read 4 KiB, one at a time", 10000},
    {"request", "virtio-blk-write-4k", "write 4 KiB, one at a time", 18500},
    {"request", "virtio-blk-flush", "flush (of a RAM disk: the guest asks for none)"},
    {"request", "virtio-blk-read-batch", "read 4 KiB, in batches of 16, 32 deep"},
    {"request", "virtio-blk-write-batch", "write 4 KiB, in batches of 16, 32 deep"},
    {"request", "virtio-blk-read-1m", "read 1 MiB", 310000},
    {"request", "virtio-blk-write-1m", "write 1 MiB"},
    {"boot", "to-first-program", "Linux, start to its first program", 1'350'000'000},
    {"boot", "exits", "Linux, start to power-off: VM exits"},
    {"boot", "instructions", "Linux, start to power-off: instructions"},
    {"footprint", "source-lines", "source lines of hv/ and arch/", 6000},
    {"footprint", "hypervisor-bytes", "hypervisor in memory, bytes", 262144},
    {"footprint", "service-bytes", "service's image in memory, bytes"},
};

// What is beside nobody sets the goal of what is beside many: 5 % more.
void add_growth(Facts const& facts, std::vector<Row>& rows)
{
    for (Fact const& fact : facts.all()) {
        if (fact.group != "growth")
            continue;
        auto const at = fact.name.find(':');             // cpuid:31
        std::string const what = fact.name.substr(0, at), neighbours = fact.name.substr(at + 1);
        Row row{.group = fact.group, .name = fact.name, .label = std::format("{} beside {} busy guests", what, neighbours), .goal = {}, .kennel = &fact};
        if (Fact const* const alone = facts.find("growth", what + ":0", "kennel"))
            row.goal = alone->median + alone->median / 20;
        rows.push_back(std::move(row));
    }
}

} // namespace

double Model::cycles(Fact const& fact, bool with_speculation) const
{
    double const crossings = fact.exits.value_or(0);
    return static_cast<double>(fact.median) * cycles_per_instruction + crossings * (exit + (with_speculation ? speculation : 0));
}

std::optional<double> Row::ratio() const
{
    if (!kennel || !kvm || kennel->median == 0)
        return {};
    return static_cast<double>(kvm->median) / static_cast<double>(kennel->median);
}

std::vector<Row> rows_of(Facts const& facts)
{
    std::vector<Row> rows;
    for (Known const& one : known) {
        Row row{.group = one.group, .name = one.name, .label = one.label, .goal = one.goal, .kennel = facts.find(one.group, one.name, "kennel"),
                .kvm = facts.find(one.group, one.name, "kvm"), .floor = facts.find(one.group, one.name, "floor")};
        if (row.kennel || row.kvm || row.floor)
            rows.push_back(std::move(row));
    }
    add_growth(facts, rows);
    std::set<std::string> names;
    for (Row const& row : rows)
        names.insert(row.group + " " + row.name);
    for (Fact const& fact : facts.all())                 // nothing measured is left out
        if (!names.contains(fact.group + " " + fact.name))
            give_up(std::format("'{} {}' is measured, and no row is made for it", fact.group, fact.name));
    return rows;
}

} // namespace kennel::bench
