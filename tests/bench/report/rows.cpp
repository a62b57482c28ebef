// SPDX-License-Identifier: Apache-2.0
//
// See rows.hpp.
#include "tests/bench/report/rows.hpp"
#include <format>
#include <set>
#include <string_view>

namespace kennel::bench {

namespace {

struct Known {
    char const*                  group;
    char const*                  name;
    char const*                  label;
    std::optional<std::uint64_t> goal = {};
    std::optional<double>        goal_of_exits = {};
};

constexpr Known known[] = {
    {"primitive", "cpuid", "CPUID, leaf 0", 100},
    {"primitive", "cpuid-leaf-1", "CPUID, leaf 1"},
    {"primitive", "null-hypercall", "null hypercall", 100},
    {"primitive", "doorbell", "doorbell, bit only", 120},
    {"primitive", "doorbell-wake", "doorbell, the device's side finds nothing"},
    {"primitive", "doorbell-to-interrupt", "doorbell, service, interrupt, handler", 850},
    {"primitive", "doorbell-read-4k", "the same with 4 KiB copied"},
    {"primitive", "pio-service-in", "port read, answered outside the hypervisor", 420},
    {"primitive", "pio-service-out", "port write, answered outside the hypervisor", 420},
    {"primitive", "pio-unclaimed", "port read, nobody's"},
    {"primitive", "mmio-service-read-first", "memory read, answered outside, first time", 2300},
    {"primitive", "mmio-service-read", "memory read, answered outside, warm", 650},
    {"primitive", "msr-read", "MSR read"},
    {"primitive", "tsc-deadline-write", "TSC-deadline write", 130},
    {"primitive", "self-ipi-with-eoi", "self-IPI with EOI, no APICv", 250},
    {"primitive", "external-interrupt", "external interrupt, what it takes from a guest"},
    {"primitive", "host-timer-to-handler", "host timer to guest's handler", 400},
    {"primitive", "halt-wake", "HLT: deadline to guest's handler"},
    {"primitive", "first-touch-4k", "first touch of a 4 KiB page", {}, 0},
    {"primitive", "first-touch-2m", "first touch of a 2 MiB page", {}, 0},
    {"switch", "partition-switch", "from one busy guest to another"},
    {"request", "virtio-blk-read-4k", "read 4 KiB, one at a time", 10000},
    {"request", "virtio-blk-write-4k", "write 4 KiB, one at a time", 18500},
    {"request", "virtio-blk-flush", "flush", 6000},
    {"request", "virtio-blk-cached-flush", "flush of a disk that has a cache", 6000},
    {"request", "virtio-blk-deadline-read-4k", "read 4 KiB with the scheduler mq-deadline"},
    {"request", "virtio-blk-read-batch", "read 4 KiB, 16 at a time, 32 deep"},
    {"request", "virtio-blk-read-batch-exits", "  exits of the guest in 100 of them", 25},
    {"request", "virtio-blk-read-batch-interrupts", "  interrupts in 100 of them", 25},
    {"request", "virtio-blk-write-batch", "write 4 KiB, 16 at a time, 32 deep"},
    {"request", "virtio-blk-write-batch-exits", "  exits of the guest in 100 of them"},
    {"request", "virtio-blk-write-batch-interrupts", "  interrupts in 100 of them"},
    {"request", "virtio-blk-read-1m", "read 1 MiB", 310000},
    {"request", "virtio-blk-write-1m", "write 1 MiB"},
    {"request", "virtio-net-udp", "UDP, 64 bytes from one card to another, and back", 36000},
    {"request", "virtio-net-tcp", "TCP, a KiB from one card to another", 1500},
    {"request", "virtio-net-tcp-exits", "  exits of the guest for 100 KiB", 10},
    {"request", "virtio-net-tcp-interrupts", "  interrupts for 100 KiB"},
    {"boot", "to-first-program", "Linux, start to its first program", 1'350'000'000},
    {"boot", "exits", "  exits of the guest", 3500},
    {"boot", "console-exits", "  and for 100 bytes of console, without `quiet`", 220},
    {"footprint", "source-lines", "source lines of hv/ and arch/", 6000},
    {"footprint", "hypervisor-bytes", "hypervisor's image, bytes", 262144},
    {"footprint", "hypervisor-resident", "hypervisor in memory with a service and no guest, bytes"},
    {"footprint", "guest", "its memory for a guest of 64 MiB with a vCPU, bytes"},
    {"footprint", "vcpu", "its memory for each vCPU more, bytes"},
    {"footprint", "service-bytes", "service in memory without guests, bytes"},
    {"footprint", "service-guest", "its memory for a guest, bytes"},
    {"footprint", "service-disk", "its memory for a disk, bytes"},
};

// What is beside nobody sets the goal of what is beside many: 5 % more.
void add_growth(Facts const& facts, std::vector<Row>& rows)
{
    for (Fact const& fact : facts.all()) {
        if (fact.group != "growth")
            continue;
        auto const at = fact.name.find(':');             // cpuid:31
        std::string const what = fact.name.substr(0, at), neighbours = fact.name.substr(at + 1);
        Row row{.group = fact.group, .name = fact.name, .label = std::format("{} beside {} busy guests", what, neighbours), .goal = {}, .goal_of_exits = {}, .kennel = &fact};
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

std::optional<bool> Row::is_met() const
{
    if (!kennel || (!goal && !goal_of_exits))
        return {};
    return goal ? kennel->median <= *goal : kennel->exits && *kennel->exits <= *goal_of_exits + 0.05;   // strangers' exits, such as timers'
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
        Row row{.group = one.group, .name = one.name, .label = one.label, .goal = one.goal, .goal_of_exits = one.goal_of_exits,
                .kennel = facts.find(one.group, one.name, "kennel"), .kvm = facts.find(one.group, one.name, "kvm"), .floor = facts.find(one.group, one.name, "floor")};
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
