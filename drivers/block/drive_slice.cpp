// SPDX-License-Identifier: Apache-2.0
//
// See drive_slice.hpp.
#include "drivers/block/drive_slice.hpp"
#include "drivers/block/ata_channel.hpp"

namespace kennel::service {

DriveSlice::DriveSlice(Recipe const& recipe)
    : recipe_{recipe}, properties_{.sectors = recipe.part.count(), .block_bytes = recipe.block_bytes, .depth = depth, .read_only = recipe.read_only,
                                   .write_back = recipe.write_back && !recipe.write_through, .discards = false, .writes_zeroes = !recipe.read_only}
{
    recipe_.write_through &= recipe.write_back;       // what has no cache is written through anyway
}

Submission DriveSlice::submit(BlockRequest& request)
{
    BlockOperation const operation = request.operation();
    auto answer = [&](BlockStatus status) {
        counters_.count(request, status);
        return Submission::done(status);
    };
    if ((request.changes_medium() && recipe_.read_only) || recipe_.channel->failed()) [[unlikely]]
        return answer(BlockStatus::io_error);
    if (operation == BlockOperation::discard) [[unlikely]]
        return answer(BlockStatus::unsupported);
    if (operation == BlockOperation::flush && !recipe_.write_back) [[unlikely]]
        return answer(BlockStatus::ok);               // it has no cache that could be emptied
    if (waiting_.count() + done_.count() == depth) [[unlikely]]
        return Submission::busy();
    bool const first = waiting_.empty();
    waiting_.push(&request);
    if (first)
        recipe_.channel->wake(*this);
    return Submission::pending();
}

void DriveSlice::finish(BlockStatus status)
{
    BlockRequest* const request = waiting_.pop();
    counters_.count(*request, status);
    done_.push({request, status});
    sectors_done_ = 0;
    cursor_ = {};
    flush_due_ = false;
}

} // namespace kennel::service
