// SPDX-License-Identifier: Apache-2.0
//
// See overlay.hpp.
#include "drivers/block/overlay.hpp"
#include "drivers/instructions.hpp"

namespace kennel::service {

OverlayStore::OverlayStore(std::span<u8> memory)
{
    // Of each frame's share a part is for its slots: at most four, where the number of slots was rounded up.
    frame_count_ = memory.size() / (block_bytes + 4 * sizeof(Slot));
    if (frame_count_ > 0xffff'ffff)
        frame_count_ = 0xffff'ffff;
    if (frame_count_ == 0)
        return;
    u64 const slots = std::bit_ceil(frame_count_ * 2);
    frames_ = memory.data();
    slots_ = reinterpret_cast<Slot*>(memory.data() + frame_count_ * block_bytes);
    mask_ = slots - 1;
    fill_zero(slots_, slots * sizeof(Slot));
}

// The slot of this block, or the free one where it would go. Half of the slots are free, so there is one.
OverlayStore::Slot& OverlayStore::place(u64 block) const
{
    u64 at = (block * 0x9e37'79b9'7f4a'7c15) >> 20;   // Fibonacci hashing: neighbours are spread
    for (;; at++) {
        Slot& slot = slots_[at & mask_];
        if (slot.key == block + 1 || slot.key == 0)
            return slot;
    }
}

OverlayStore::Slot const* OverlayStore::find(u64 block) const
{
    if (used_ == 0)
        return nullptr;
    Slot const& slot = place(block);
    return slot.key ? &slot : nullptr;
}

OverlayStore::Slot* OverlayStore::find_or_add(u64 block)
{
    if (frame_count_ == 0)
        return nullptr;
    Slot& slot = place(block);
    if (slot.key)
        return &slot;
    if (used_ == frame_count_)
        return nullptr;
    slot = {.key = block + 1, .frame = static_cast<u32>(used_++), .present = 0};
    return &slot;
}

// Calls visit(block, first sector of it, how many) for each block the range touches, until it returns false.
template<class Visit> void OverlayState::for_each_block(SectorRange const& range, Visit&& visit) const
{
    for (u64 at = range.first(); at < range.end();) {
        u32 const inside = static_cast<u32>(at % OverlayStore::block_sectors);
        u32 const count = static_cast<u32>(std::min<u64>(OverlayStore::block_sectors - inside, range.end() - at));
        if (!visit(at / OverlayStore::block_sectors, inside, count))
            return;
        at += count;
    }
}

namespace {

constexpr u8 mask_of(u32 first, u32 count) { return static_cast<u8>(((1u << count) - 1) << first); }

} // namespace

BlockStatus OverlayState::keep(BlockRequest const& request)
{
    SectorRange const range = request.range();
    // All of a request is kept, or nothing: look first where the RAM may not be enough.
    u64 const touched = (range.end() - 1) / OverlayStore::block_sectors - range.first() / OverlayStore::block_sectors + 1;
    if (touched > store_.free_frames()) [[unlikely]] {
        u64 missing = 0;
        for_each_block(range, [&](u64 block, u32, u32) {
            missing += store_.find(block) == nullptr;
            return missing <= store_.free_frames();
        });
        if (missing > store_.free_frames()) {
            refused_++;
            return BlockStatus::io_error;
        }
    }
    SegmentCursor cursor;
    for_each_block(range, [&](u64 block, u32 first, u32 count) {
        OverlayStore::Slot& slot = *store_.find_or_add(block);
        u8* const to = store_.frame(slot) + first * sector_bytes;
        u64 const bytes = count * sector_bytes;
        if (request.operation() == BlockOperation::write_zeroes)
            fill_zero(to, bytes);
        else
            cursor.gather(request.segments(), to, bytes);
        slot.present |= mask_of(first, count);
        return true;
    });
    return BlockStatus::ok;
}

bool OverlayState::covers(SectorRange const& range) const
{
    bool all = true;
    for_each_block(range, [&](u64 block, u32 first, u32 count) {
        auto const* const slot = store_.find(block);
        u8 const wanted = mask_of(first, count);
        all = slot && (slot->present & wanted) == wanted;
        return all;
    });
    return all;
}

void OverlayState::put_over(BlockRequest const& request)
{
    SegmentCursor cursor;
    for_each_block(request.range(), [&](u64 block, u32 first, u32 count) {
        auto const* const slot = store_.find(block);
        for (u32 sector = first; sector < first + count; sector++) {
            if (slot && slot->present >> sector & 1)
                cursor.scatter(request.segments(), store_.frame(*slot) + sector * sector_bytes, sector_bytes);
            else
                cursor.skip(request.segments(), sector_bytes);
        }
        return true;
    });
}

} // namespace kennel::service
