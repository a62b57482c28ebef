// SPDX-License-Identifier: Apache-2.0
//
// Any memory map a firmware could hand out: the plan is sorted, does not overlap, and gives nobody what is not RAM.
#include "boot/memory_map.hpp"
#include "tests/fuzz/input.hpp"
#include <vector>

using namespace kennel;
using namespace kennel::boot;
using fuzz::demand;

extern "C" int LLVMFuzzerTestOneInput(unsigned char const* data, size_t size)
{
    fuzz::Input input{data, size};
    MemoryClaims claims;
    claims.hypervisor = {0x20'0000ull * (input.take<u8>() % 64), 0x20'0000};
    claims.trampoline = page_size * (1 + input.take<u8>() % 150u);
    ServiceClaim service{{0x20'0000ull * (64 + input.take<u8>() % 64), 0x40'0000}, large_page * (input.take<u8>() % 128u)};
    claims.services = {&service, 1};
    claims.registers[0] = 0xfee0'0000;
    claims.windows[0] = {page_size * u64{input.take<u32>()}, page_size * (input.take<u16>() % 4096u)};
    claims.screen = {page_size * u64{input.take<u16>()} << 8, input.take<u32>()};
    std::vector<FirmwareRange> map;
    while (!input.empty() && map.size() < 300) {
        u8 const kind = input.take<u8>();
        u64 const base = page_size * (kind & 8 ? input.take<u64>() >> 13 : u64{input.take<u32>()});
        u64 const pages = kind & 16 ? input.take<u64>() >> 13 : input.take<u16>();
        constexpr abi::MemoryType types[] = {abi::MemoryType::uncached, abi::MemoryType::write_combining, abi::MemoryType::write_back, abi::MemoryType::write_back};
        map.push_back({base, pages * page_size, static_cast<FirmwareUse>(kind & 3), types[(kind >> 5) & 3]});
    }
    static MemoryPlan plan;
    plan_memory(map, claims, plan);
    (void)measure_memory(map);
    if (plan.fault != MemoryFault::none)
        return 0;
    demand(plan.count <= abi::max_ranges);
    u64 end = 0;
    for (u32 i = 0; i < plan.count; i++) {
        abi::MemoryRange const& range = plan.ranges[i];
        demand(range.size > 0 && range.base >= end && range.base + range.size > range.base);
        demand(range.base % page_size == 0 && range.size % page_size == 0);
        if (range.kind == abi::MemoryKind::service)
            demand(range.base % large_page == 0 && range.size % large_page == 0 && range.owner < 1);
        end = range.base + range.size;
    }
    return 0;
}
