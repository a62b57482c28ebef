// SPDX-License-Identifier: Apache-2.0
#include "boot/memory_map.hpp"
#include <doctest/doctest.h>
#include <memory>
#include <vector>

using namespace kennel;
using namespace kennel::boot;
using abi::MemoryKind;
using abi::MemoryType;

namespace {

constexpr u64 mib = 1024 * 1024;

// 256 MiB of RAM as OVMF describes it, more or less.
std::vector<FirmwareRange> small_machine()
{
    return {
        {0, 640 * 1024, FirmwareUse::ram, MemoryType::write_back},
        {1 * mib, 239 * mib, FirmwareUse::ram, MemoryType::write_back},
        {240 * mib, 1 * mib, FirmwareUse::acpi, MemoryType::write_back},
        {241 * mib, 1 * mib, FirmwareUse::reserved, MemoryType::write_back},
        {242 * mib, 14 * mib, FirmwareUse::ram, MemoryType::write_back},
        {0xfed0'0000, page_size, FirmwareUse::device, MemoryType::uncached},
    };
}

struct Plan {
    explicit Plan(std::vector<FirmwareRange> const& map, std::vector<ServiceClaim> const& services) : services_(services)
    {
        claims.hypervisor = {200 * mib, 16 * mib};
        claims.trampoline = 0x9'f000;
        claims.registers[0] = 0xfee0'0000;
        claims.registers[1] = 0xfec0'0000;
        claims.services = services_;
        plan_memory(map, claims, *result);
    }

    MemoryPlan const* operator->() const { return result.get(); }
    abi::MemoryRange at(u64 address) const
    {
        for (u32 i = 0; i < result->count; i++)
            if (address >= result->ranges[i].base && address - result->ranges[i].base < result->ranges[i].size)
                return result->ranges[i];
        return {};
    }

    MemoryClaims claims;
    std::unique_ptr<MemoryPlan> result = std::make_unique<MemoryPlan>();

private:
    std::vector<ServiceClaim> services_;
};

} // namespace

TEST_CASE("memory map: one service gets all RAM in whole 2 MiB, everything else is told apart")
{
    Plan const plan(small_machine(), {{.block = {180 * mib, 20 * mib}, .memory = 0}});
    REQUIRE(plan->fault == MemoryFault::none);
    CHECK(plan.at(0).kind == MemoryKind::reserved);              // below 1 MiB nobody gets anything
    CHECK(plan.at(0x9'f000).kind == MemoryKind::hypervisor);
    CHECK(plan.at(0xa'0000).kind == MemoryKind::device);         // a hole
    CHECK(plan.at(1 * mib).kind == MemoryKind::reserved);        // not a whole 2 MiB
    CHECK(plan.at(2 * mib).kind == MemoryKind::service);
    CHECK(plan.at(2 * mib).size == 198 * mib);                   // the block is part of it
    CHECK(plan.at(200 * mib).kind == MemoryKind::hypervisor);
    CHECK(plan.at(240 * mib).kind == MemoryKind::acpi);
    CHECK(plan.at(0xfee0'0000).kind == MemoryKind::hypervisor);
    CHECK(plan.at(0xfec0'0000).type == MemoryType::uncached);
    CHECK(plan.at(0xfed0'0000).kind == MemoryKind::device);
    CHECK(plan->granted[0] == (198 + 24 + 14) * mib);
    u64 last = 0;
    for (u32 i = 0; i < plan->count; i++) {
        CHECK(plan->ranges[i].base == last);                     // no gap below 4 GiB
        last = plan->ranges[i].base + plan->ranges[i].size;
    }
    CHECK(last == u64{1} << 32);
}

TEST_CASE("memory map: a service with a size gets it beside its block, the other one the rest")
{
    Plan const plan(small_machine(), {{.block = {196 * mib, 4 * mib}, .memory = 0}, {.block = {192 * mib, 4 * mib}, .memory = 64 * mib}});
    REQUIRE(plan->fault == MemoryFault::none);
    CHECK(plan->granted[1] == 64 * mib);
    CHECK(plan.at(192 * mib).size == 64 * mib);                  // one extent
    CHECK(plan.at(192 * mib).owner == 1);
    CHECK(plan.at(198 * mib).owner == 0);
}

TEST_CASE("memory map: what is asked for and not there is refused with the number missing")
{
    Plan const plan(small_machine(), {{.block = {196 * mib, 4 * mib}, .memory = 1024 * mib}});
    CHECK(plan->fault == MemoryFault::too_little_memory);
    CHECK(plan->missing == (1024 - 198 - 24 - 14) * mib);
    Plan const tight(small_machine(), {{.block = {196 * mib, 4 * mib}, .memory = 2 * mib}});
    CHECK(tight->fault == MemoryFault::less_than_block);
}

TEST_CASE("memory map: where the firmware contradicts itself the careful word wins")
{
    auto map = small_machine();
    map.push_back({100 * mib, 1 * mib, FirmwareUse::reserved, MemoryType::write_back});
    map.push_back({50 * mib, 1 * mib, FirmwareUse::ram, MemoryType::uncached});
    map.push_back({0, ~u64{0}, FirmwareUse::ram, MemoryType::write_back});              // nonsense is ignored
    Plan const plan(map, {{.block = {196 * mib, 4 * mib}, .memory = 0}});
    REQUIRE(plan->fault == MemoryFault::none);
    CHECK(plan.at(100 * mib).kind == MemoryKind::reserved);
    CHECK(plan.at(50 * mib).kind == MemoryKind::reserved);
    CHECK(plan.at(102 * mib).kind == MemoryKind::service);
}

TEST_CASE("memory map: device windows never cover RAM")
{
    std::vector<ServiceClaim> const services{{.block = {196 * mib, 4 * mib}, .memory = 0}};
    MemoryClaims claims;
    claims.hypervisor = {200 * mib, 16 * mib};
    claims.services = services;
    claims.windows[0] = {100 * mib, 1024 * mib};                 // an ECAM window out of a bad table
    claims.screen = {0x8000'0000, 4 * mib};
    auto const plan = std::make_unique<MemoryPlan>();
    plan_memory(small_machine(), claims, *plan);
    REQUIRE(plan->fault == MemoryFault::none);
    CHECK(plan->granted[0] == (198 + 24 + 14) * mib);
    bool seen = false;
    for (u32 i = 0; i < plan->count; i++)
        seen = seen || (plan->ranges[i].base == 0x8000'0000 && plan->ranges[i].size == 4 * mib && plan->ranges[i].type == MemoryType::write_combining);
    CHECK(seen);
}

TEST_CASE("memory map: scattered RAM ends in no more extents than a service can know")
{
    std::vector<FirmwareRange> map;
    for (u64 i = 1; i <= 60; i++)
        map.push_back({i * 8 * mib, (i % 2 != 0 ? 4 : 6) * mib, FirmwareUse::ram, MemoryType::write_back});
    map.push_back({512 * mib, 64 * mib, FirmwareUse::ram, MemoryType::write_back});
    std::vector<ServiceClaim> const services{{.block = {544 * mib, 4 * mib}, .memory = 0}};
    MemoryClaims claims;
    claims.hypervisor = {512 * mib, 16 * mib};
    claims.services = services;
    auto const plan = std::make_unique<MemoryPlan>();
    plan_memory(map, claims, *plan);
    REQUIRE(plan->fault == MemoryFault::none);
    u32 extents = 0;
    for (u32 i = 0; i < plan->count; i++)
        extents += plan->ranges[i].kind == MemoryKind::service;
    CHECK(extents == 8);
    CHECK(plan->granted[0] == (48 + 7 * 6) * mib);
}
