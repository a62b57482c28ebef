// SPDX-License-Identifier: Apache-2.0
//
// hv's own physical memory, in frames of 4 KiB. At boot all of it is in one master pool; creating a partition moves
// frames into that partition's pool, and destroying it moves every one of them back, whatever it was used for.
// Guest memory never passes through here: hv cannot map it.
#pragma once
#include "hv/address.hpp"

namespace kennel {

// One per frame of the block; an array of them at the start of the pool. A free frame is all zeroes.
struct Frame {
    Frame* next_owned;   // all frames of one pool
    Frame* next_free;    // those of them that are free
};

// Where hv's block lies: physical and virtual addresses differ by a constant.
class Block {
public:
    constexpr Block() = default;
    Block(HostPhysical base, u64 virtual_base, Frame* frames) : base_{base.value}, virtual_{virtual_base}, frames_{frames} {}

    template<class T> T*  pointer(HostPhysical at) const { return reinterpret_cast<T*>(at.value - base_ + virtual_); }
    HostPhysical          physical(void const* at) const { return {reinterpret_cast<u64>(at) - virtual_ + base_}; }
    void*                 memory(Frame const* f) const { return reinterpret_cast<void*>(virtual_ + static_cast<u64>(f - frames_) * page_size); }

private:
    u64    base_ = 0, virtual_ = 0;
    Frame* frames_ = nullptr;
};

class Pool {
public:
    constexpr explicit Pool(Block const* block = nullptr) : block_{block} {}

    // A zeroed frame, or nullptr when the pool is used up.
    void* allocate();
    template<class T> T* create();               // a T in a frame of its own

    void  adopt(Frame* frame);                   // at boot: this frame is ours and free
    bool  take_from(Pool& other, u64 frames);    // moves free frames over; false: the other has too few, nothing moved
    void  give_back_to(Pool& other);             // everything, used or not, zeroed

    u64   free_count() const { return free_count_; }
    u64   owned_count() const { return owned_count_; }
    Block const& block() const { return *block_; }

private:
    Block const* block_;
    Frame* owned_ = nullptr;
    Frame* free_  = nullptr;
    u64    owned_count_ = 0, free_count_ = 0;
};

template<class T> T* Pool::create()
{
    static_assert(sizeof(T) <= page_size);
    void* memory = allocate();
    return memory ? new (memory) T : nullptr;
}

} // namespace kennel
