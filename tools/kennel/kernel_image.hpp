// SPDX-License-Identifier: Apache-2.0
//
// What a kernel file is, and what it needs, read from its header before a machine is started for it.
// The service checks the same file again: this is for a quick and clear answer, not for safety.
#pragma once
#include "tools/kennel/fault.hpp"
#include <span>
#include <string_view>

namespace kennel::tool {

struct KernelImage {
    u64 end_of_kernel;       // guest physical: where the running kernel's own memory ends
    u64 command_line_size;   // bytes, the most it takes
};

Or<KernelImage> read_kernel(std::string_view name, std::span<u8 const> file);

// The least memory a guest can have, a multiple of 2 MiB: the kernel, and the initrd above it.
u64 least_memory(KernelImage const& kernel, u64 initrd_size);

} // namespace kennel::tool
