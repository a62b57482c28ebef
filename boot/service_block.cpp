// SPDX-License-Identifier: Apache-2.0
//
// See service_block.hpp.
#include "boot/service_block.hpp"
#include "boot/page_tables.hpp"

namespace kennel::boot {

BlockPlan plan_block(ImageLayout const& layout, AddressReach reach, u32 cpu_count, u64 modules_size)
{
    BlockPlan plan;
    plan.stacks_size = cpu_count * service_stack_size;

    u64 const roots = 1 + round_up(reach.identity_end, u64{1} << 39) / (u64{1} << 39);
    u64 const identity = reach.huge_pages ? 0 : round_up(reach.identity_end, huge_page) / huge_page;
    u64 const text = 2 + layout.text_size / large_page + 2;               // two directories at most, and the tables of a split
    u64 const high = 3 + layout.size / large_page + 1 + cpu_count * service_stack_step / large_page + 2;
    plan.tables_size = (roots + identity + text + high) * page_size;

    plan.tables_offset = round_up(layout.size, page_size);
    plan.stacks_offset = plan.tables_offset + plan.tables_size;
    plan.modules_offset = plan.stacks_offset + plan.stacks_size;
    plan.size = round_up(plan.modules_offset + modules_size + service_heap_least, large_page);
    return plan;
}

bool build_block(ElfImage const& image, ImageLayout const& layout, AddressReach reach, u32 cpu_count, BlockPlan const& plan,
                 std::span<u8> memory, u64 base, abi::ServiceImage& service)
{
    place(image, memory);

    PageTables tables(memory.subspan(plan.tables_offset, plan.tables_size), base + plan.tables_offset);
    PageRights const data{.writable = true, .executable = false};
    bool done = tables.map(0, 0, reach.identity_end, data, reach.huge_pages ? huge_page : large_page);
    // The second view of the text: without this, it could be written through its physical address.
    done = done && tables.map(base + layout.text_offset, base + layout.text_offset, layout.text_size, {}, page_size);
    for (ElfSegment const& segment : image.segments()) {
        PageRange const pages = pages_of(segment);
        done = done && tables.map(abi::image_virtual_base + pages.offset, base + pages.offset, pages.size,
                                  {.writable = segment.writable, .executable = segment.executable}, page_size);
    }
    for (u32 cpu = 0; cpu < cpu_count; cpu++)
        done = done && tables.map(service_stack_top - cpu * service_stack_step - service_stack_size,
                                  base + plan.stacks_offset + cpu * service_stack_size, service_stack_size, data, page_size);

    service.block_base = base;
    service.block_size = plan.size;
    service.executable_base = base + layout.text_offset;
    service.executable_size = layout.text_size;
    service.rip = image.entry();
    service.cr3 = tables.root();
    service.stack_top = service_stack_top;
    service.stack_stride = service_stack_step;
    return done;
}

} // namespace kennel::boot
