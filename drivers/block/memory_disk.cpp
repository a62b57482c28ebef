// SPDX-License-Identifier: Apache-2.0
//
// See memory_disk.hpp.
#include "drivers/block/memory_disk.hpp"
#include "drivers/instructions.hpp"

namespace kennel::service {

Submission MemoryDisk::submit(BlockRequest& request)
{
    BlockStatus status = BlockStatus::ok;
    u8* at = bytes_ + request.range().first() * sector_bytes;
    if (request.changes_medium() && properties_.read_only) [[unlikely]]
        status = BlockStatus::io_error;
    else if (request.operation() == BlockOperation::read)
        for (Segment const& segment : request.segments()) {
            copy_bytes(segment.data, at, segment.size);
            at += segment.size;
        }
    else if (request.operation() == BlockOperation::write)
        for (Segment const& segment : request.segments()) {
            copy_bytes(at, segment.data, segment.size);
            at += segment.size;
        }
    else if (request.operation() == BlockOperation::write_zeroes)
        fill_zero(at, request.range().bytes());
    // A discard promises nothing about what is read later, and the RAM is taken anyway.
    counters_.count(request, status);
    return Submission::done(status);
}

} // namespace kennel::service
