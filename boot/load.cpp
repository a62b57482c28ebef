// SPDX-License-Identifier: Apache-2.0
//
// See load.hpp.
#include "boot/load.hpp"
#include <cstring>

namespace kennel::boot {

namespace {

constexpr u64 four_gib = u64{1} << 32;

constexpr u64 largest_manifest = 1024 * 1024;         // bytes, each
constexpr u64 largest_program  = 64 * 1024 * 1024;    // a file with debug information
constexpr u64 largest_module   = u64{4} << 30;
constexpr u64 largest_hypervisor_image = 4 * 1024 * 1024;
constexpr u64 largest_service_image    = 64 * 1024 * 1024;
constexpr u64 largest_hypervisor_block = u64{1} << 30;   // it lies in the last 2 GiB of the address space

} // namespace

std::optional<ManifestReader> Files::read_manifest()
{
    auto const file = volume_.read("manifest", largest_manifest);
    if (!file) {
        screen_.refuse("\\kennel\\manifest: ", describe(file.error()));
        return {};
    }
    auto const manifest = ManifestReader::parse(*file);
    if (!manifest) {
        ManifestFault const fault = manifest.error();
        if (fault.index == abi::no_file)
            screen_.refuse("\\kennel\\manifest: ", describe(fault.error));
        else
            screen_.refuse("\\kennel\\manifest: ", describe(fault.error), " ", fault.index);
        return {};
    }
    manifest_ = *file;
    screen_.say("manifest: ", manifest->service_count(), " service", manifest->service_count() == 1 ? "" : "s", ", ",
                manifest->guest_count(), " guest", manifest->guest_count() == 1 ? "" : "s", ", ", manifest->file_count(), " files");
    return *manifest;
}

std::optional<Files::Program> Files::read_program(char const* name, u64 largest_image)
{
    auto const file = volume_.read(name, largest_program);
    if (!file) {
        screen_.refuse("\\kennel\\", name, ": ", describe(file.error()));
        return {};
    }
    auto const image = ElfImage::parse(*file);
    if (!image) {
        screen_.refuse("\\kennel\\", name, ": ", describe(image.error()));
        volume_.release(*file);
        return {};
    }
    auto const layout = lay_out(*image, largest_image);
    if (!layout) {
        screen_.refuse("\\kennel\\", name, ": ", describe(layout.error()));
        volume_.release(*file);
        return {};
    }
    return Program{*file, *image, *layout};
}

std::optional<HypervisorBlock> Files::load_hypervisor(u64 ram)
{
    auto const program = read_program("hypervisor.elf", largest_hypervisor_image);
    if (!program)
        return {};
    // The image and BootInfo take their part of the fixed 8 MiB; what hv needs per byte of RAM is in the second term.
    u64 const wanted = 8 * 1024 * 1024 + round_up(ram / 128, large_page);
    HypervisorBlock block{.size = wanted < largest_hypervisor_block ? wanted : largest_hypervisor_block, .entry = program->image.entry(),
                          .image_size = program->layout.size};
    block.base = firmware_.allocate(block.size, large_page, four_gib);
    if (block.base == 0) {
        screen_.refuse("the hypervisor needs ", Size{block.size}, " of memory below 4 GiB in one piece, and the firmware has none");
        return {};
    }
    place(program->image, {reinterpret_cast<u8*>(block.base), block.size});
    volume_.release(program->file);
    block.info = reinterpret_cast<abi::BootInfo*>(block.base + round_up(block.image_size, page_size));
    screen_.say("hypervisor: image ", Size{block.image_size}, ", block ", Size{block.size}, " at ", Hex{block.base});
    return block;
}

// A file that cannot be used stays in the list with size 0: its guests then do not start, and the service says so for each.
void Files::list_modules(ManifestReader const& manifest, u32 index, abi::ServiceImage& service)
{
    std::memcpy(service.modules[0].name, "manifest", sizeof "manifest");
    service.modules[0].size = manifest_.size();
    service.module_count = 1;
    for (u32 i = 0; i < manifest.file_count(); i++) {
        abi::ManifestFile const file = manifest.file(i);
        if (!ManifestReader::belongs_to(file, index))
            continue;
        abi::Module& module = service.modules[service.module_count++];   // the manifest's reader bounds their number
        std::memcpy(module.name, file.name, sizeof file.name);
        auto const size = volume_.size_of(file.name);
        if (!size)
            leave_out(module, describe(size.error()));
        else if (*size > largest_module)
            leave_out(module, describe(FileError::too_large));
        else if (file.size != 0 && file.size != *size)
            leave_out(module, "is not as long as the manifest says; it may be truncated");
        else
            module.size = *size;
    }
}

void Files::leave_out(abi::Module& module, char const* why)
{
    screen_.say("\\kennel\\", module.name, ": ", why, "; guests that need it will not start");
    module.size = 0;
}

// Memory for image, tables, stacks and modules. What does not fit is left out, the largest file first.
u64 Files::allocate_block(ImageLayout const& layout, AddressReach reach, u32 cpu_count, abi::ServiceImage& service, BlockPlan& plan)
{
    for (;;) {
        u64 total = 0;
        abi::Module* largest = nullptr;
        for (u32 m = 0; m < service.module_count; m++) {
            abi::Module& module = service.modules[m];
            total += round_up(module.size, page_size);
            if (m > 0 && module.size > 0 && (largest == nullptr || module.size > largest->size))
                largest = &module;
        }
        plan = plan_block(layout, reach, cpu_count, total);
        u64 base = firmware_.allocate(plan.size, large_page, four_gib);   // for devices that reach no further
        if (base == 0)
            base = firmware_.allocate(plan.size, large_page, reach.identity_end);
        if (base != 0 || largest == nullptr)
            return base;
        leave_out(*largest, describe(FileError::no_memory));
    }
}

void Files::read_modules(abi::ServiceImage& service, u64 at)
{
    for (u32 m = 0; m < service.module_count; m++) {
        abi::Module& module = service.modules[m];
        module.base = at;
        at += round_up(module.size, page_size);
        std::span<u8> const memory{reinterpret_cast<u8*>(module.base), module.size};
        if (m == 0)
            std::memcpy(memory.data(), manifest_.data(), manifest_.size());
        else if (module.size > 0)
            if (auto const done = volume_.read_into(module.name, memory); !done)
                leave_out(module, describe(done.error()));
    }
}

bool Files::load_service(ManifestReader const& manifest, u32 index, u32 cpu_count, AddressReach reach, abi::ServiceImage& service)
{
    abi::ManifestService const entry = manifest.service(index);
    auto const program = read_program("service.elf", largest_service_image);
    if (!program)
        return false;
    list_modules(manifest, index, service);
    BlockPlan plan;
    u64 const base = allocate_block(program->layout, reach, cpu_count, service, plan);
    if (base == 0) {
        screen_.refuse("service ", entry.name, " needs ", Size{plan.size}, " of memory in one piece, and the firmware has none");
        return false;
    }
    if (!build_block(program->image, program->layout, reach, cpu_count, plan, {reinterpret_cast<u8*>(base), plan.size}, base, service)) {
        screen_.refuse("service ", entry.name, ": its page tables do not fit into its block; a defect in the loader");
        return false;
    }
    volume_.release(program->file);
    read_modules(service, base + plan.modules_offset);
    service.owns_devices = entry.owns_devices;
    screen_.say("service ", entry.name, ": image ", Size{program->layout.size}, ", block ", Size{plan.size}, " at ", Hex{base}, ", ",
                service.module_count - 1, " files");
    return true;
}

} // namespace kennel::boot
