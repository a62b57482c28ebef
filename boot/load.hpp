// SPDX-License-Identifier: Apache-2.0
//
// Brings the files of \kennel into memory: the manifest, the hypervisor into its block, each service with its modules
// into one of its own. Every fault is one line that names the file.
#pragma once
#include "boot/screen.hpp"
#include "boot/service_block.hpp"
#include "boot/volume.hpp"
#include "hv/lib/manifest.hpp"
#include <optional>

namespace kennel::boot {

struct HypervisorBlock {
    u64            base = 0, size = 0;
    u64            entry = 0;       // virtual
    u64            image_size = 0;  // bytes; BootInfo follows at the next page
    abi::BootInfo* info = nullptr;
};

class Files {
public:
    Files(Screen& screen, Firmware& firmware) : screen_(screen), firmware_(firmware), volume_(firmware) {}

    // Each says why it failed and returns nothing; the firmware gets its memory back when the loader exits.
    std::optional<ManifestReader>  read_manifest();
    std::optional<HypervisorBlock> load_hypervisor(u64 ram);
    bool load_service(ManifestReader const& manifest, u32 index, u32 cpu_count, AddressReach reach, abi::ServiceImage& service);

private:
    struct Program { std::span<u8> file; ElfImage image; ImageLayout layout; };

    std::optional<Program> read_program(char const* name, u64 largest_image);
    void list_modules(ManifestReader const& manifest, u32 index, abi::ServiceImage& service);
    void leave_out(abi::Module& module, char const* why);
    u64  allocate_block(ImageLayout const& layout, AddressReach reach, u32 cpu_count, abi::ServiceImage& service, BlockPlan& plan);
    void read_modules(abi::ServiceImage& service, u64 at);

    Screen&       screen_;
    Firmware&     firmware_;
    Volume        volume_;
    std::span<u8> manifest_;
};

} // namespace kennel::boot
