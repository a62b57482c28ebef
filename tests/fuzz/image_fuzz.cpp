// SPDX-License-Identifier: Apache-2.0
//
// Any ELF file placed by the loader: what lay_out accepts is placed inside its block, and a service's block is built.
#include "boot/service_block.hpp"
#include "tests/fuzz/elf_file.hpp"

using namespace kennel;
using namespace kennel::boot;
using fuzz::demand;

extern "C" int LLVMFuzzerTestOneInput(unsigned char const* data, size_t size)
{
    fuzz::Input input{data, size};
    u32 const cpus = 1 + input.take<u8>() % abi::max_cpus;
    AddressReach const reach{(1 + input.take<u8>() % 64u) * large_page, (input.take<u8>() & 1) != 0};
    auto const file = fuzz::elf_file(input, abi::image_virtual_base);
    auto const image = ElfImage::parse(file);
    if (!image)
        return 0;
    constexpr u64 largest = 1u << 20;
    auto const layout = lay_out(*image, largest);
    if (!layout) {
        demand(describe(layout.error())[0] != 0);
        return 0;
    }
    demand(layout->size <= largest && layout->text_offset + layout->text_size <= layout->size);
    std::vector<u8> exact(layout->size, 0);
    place(*image, exact);
    BlockPlan const plan = plan_block(*layout, reach, cpus, 12'345);
    demand(plan.size % large_page == 0 && plan.size <= 64 * large_page);
    std::vector<u8> memory(plan.size, 0);
    abi::ServiceImage service{};
    demand(build_block(*image, *layout, reach, cpus, plan, memory, 0x1000'0000, service));
    return 0;
}
