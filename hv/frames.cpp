// SPDX-License-Identifier: Apache-2.0
//
// See frames.hpp. Two chains per pool: all frames it owns, and those that are free.
#include "hv/frames.hpp"
#include <cstring>

namespace kennel {

void* Pool::allocate()
{
    Frame* frame = free_;
    if (!frame)
        return nullptr;
    free_ = frame->next_free;
    frame->next_free = nullptr;
    free_count_--;
    return block_->memory(frame);
}

void Pool::adopt(Frame* frame)
{
    frame->next_owned = owned_;
    owned_ = frame;
    frame->next_free = free_;
    free_ = frame;
    owned_count_++;
    free_count_++;
}

bool Pool::take_from(Pool& other, u64 frames)
{
    if (other.free_count_ < frames)
        return false;
    // The master pool's owned chain names only what was never given away, which is exactly its free chain.
    for (u64 i = 0; i < frames; i++) {
        Frame* frame = other.free_;
        other.free_ = frame->next_free;
        other.free_count_--;
        other.owned_count_--;
        adopt(frame);
    }
    return true;
}

void Pool::give_back_to(Pool& other)
{
    // This pool object may live in one of its own frames, so take what is needed out of it first.
    Frame* frame = owned_;
    Block const& block = *block_;
    while (frame) {
        Frame* next = frame->next_owned;
        memset(block.memory(frame), 0, page_size);
        frame->next_owned = nullptr;
        frame->next_free = other.free_;
        other.free_ = frame;
        other.free_count_++;
        other.owned_count_++;
        frame = next;
    }
}

} // namespace kennel
