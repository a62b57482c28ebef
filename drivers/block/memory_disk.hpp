// SPDX-License-Identifier: Apache-2.0
//
// A disk in the service's RAM: a boot module's bytes, or blank ones. Answers at once, with one copy, and forgets everything
// when the machine is switched off; a flush has nothing to do.
#pragma once
#include "drivers/block/backend.hpp"

namespace kennel::service {

class MemoryDisk {
public:
    // The bytes are this disk's alone, unless it is read-only. What is left beyond whole sectors is not part of it.
    MemoryDisk(std::span<u8> bytes, bool read_only)
        : bytes_{bytes.data()},
          properties_{.sectors = bytes.size() / sector_bytes, .block_bytes = 4096, .read_only = read_only, .discards = !read_only, .writes_zeroes = !read_only} {}

    BlockProperties const& properties() const { return properties_; }
    BlockCounters const&   counters() const { return counters_; }
    Submission             submit(BlockRequest& request);
    std::optional<BlockCompletion> take_completion() { return std::nullopt; }

private:
    u8*             bytes_;
    BlockProperties properties_;
    BlockCounters   counters_;
};

static_assert(Backend<MemoryDisk>);

} // namespace kennel::service
