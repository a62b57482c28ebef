// SPDX-License-Identifier: Apache-2.0
//
// A split virtqueue from the device's side: step 4 of the request path. What the driver wrote is read once, one whole word
// at a time, and checked; a Chain holds pieces of the guest's RAM that exist, and nothing else of the driver's numbers.
// virtio 1.2, "Split Virtqueues".
//
//   set up      the registers may be changed (transport.hpp)         start -> running, or refused
//   running     take, give_back, publish                            a broken ring, or stop() -> broken
//   broken      nothing is taken until the device is reset          reset -> set up
#pragma once
#include "drivers/block/backend.hpp"
#include "drivers/guest_memory.hpp"
#include "drivers/virtio/wire.hpp"

namespace kennel::service {

// Buffers the driver handed over together. They stay its own RAM: read once what decides, hand on what is only moved.
struct Chain {
    // A queue's descriptors, and some for buffers that lie in two parts of the guest's RAM.
    static constexpr u32 most_pieces = 264;

    u16  head = 0;                                    // names the chain when it is given back
    u16  readable = 0, count = 0;                     // pieces[0, readable) are the driver's words, the rest is for ours
    bool outside = false;                             // some of it is not RAM: the pieces are those before
    Segment pieces[most_pieces];

    std::span<Segment> input() { return {pieces, readable}; }
    std::span<Segment> output() { return {pieces + readable, static_cast<usize>(count - readable)}; }
};

// Moves `bytes` out of the front of the pieces. -> what is left of them; with null data: there is not so much.
std::span<Segment> take_front(std::span<Segment> pieces, void* to, u32 bytes);
// The same for a header, which nearly always lies in a piece of its own. False: there is not so much.
template<class T> bool take_front(std::span<Segment>& pieces, T& header)
{
    if (!pieces.empty() && pieces.front().size == sizeof header) [[likely]] {
        __builtin_memcpy(&header, pieces.front().data, sizeof header);
        pieces = pieces.subspan(1);
        return true;
    }
    pieces = take_front(pieces, &header, sizeof header);
    return pieces.data() != nullptr;
}
// Fills the front of the pieces with as much of `bytes` as there is room for. -> how much
u32  put_front(std::span<Segment const> pieces, void const* from, u32 bytes);
template<class T> u32 put_front(std::span<Segment const> pieces, T const& value)
{
    if (!pieces.empty() && pieces.front().size >= sizeof value) [[likely]] {
        __builtin_memcpy(pieces.front().data, &value, sizeof value);
        return sizeof value;
    }
    return put_front(pieces, &value, sizeof value);
}
u64  total_bytes(std::span<Segment const> pieces);

class Queue {
public:
    static constexpr u16 most = 256;                  // descriptors

    // What the driver set. It cannot be changed while the queue runs: whoever writes here asks is_running() first.
    struct Setup {
        u16  size = 0;                                // a power of two, at most `most`
        u16  vector = wire::no_vector;
        bool enabled = false;
        u64  descriptors = 0, available = 0, used = 0;   // guest physical
    };
    Setup setup;

    void reset(u16 size);
    // False: a ring is not the guest's RAM, in one piece, and aligned as it must be.
    bool start(GuestMemory const& memory, bool event_index);
    bool is_running() const { return state_ == State::running; }
    // Its device cannot go on.
    void stop() { state_ = state_ == State::running ? State::broken : state_; }

    // The driver has made something available that was not taken yet, or says so.
    bool has_more() const
    {
        // Ordering: acquire pairs with the driver's barrier: entries and their buffers were written before the index.
        return state_ == State::running && __atomic_load_n(reinterpret_cast<u16 const*>(available_ + wire::ring_index), __ATOMIC_ACQUIRE) != next_;
    }
    enum class Taken : u8 { chain, none, broken };
    Taken take(Chain& chain);
    void  give_back(u16 head, u32 written);
    // The last `chains` that were taken and given back were not: nothing of them was published.
    void  undo(u16 chains) { next_ = static_cast<u16>(next_ - chains); given_ = static_cast<u16>(given_ - chains); }
    // What was given back becomes visible. True: the driver wants to be interrupted for it.
    bool  publish() { return publish(given_); }
    // Only what the driver does not want to be interrupted for; the rest is held until publish(). True: it has changed its mind meanwhile.
    bool  publish_quietly() { return publish(quiet_end()); }
    u16   held() const { return static_cast<u16>(given_ - published_); }
    // The next buffer shall be announced. True: there is one already, and it will not be.
    bool  expect_kick();

private:
    enum class State : u8 { set_up, running, broken };

    // One load each: a driver that changes the words under us is seen before or after, never half.
    static u16  load16(u8 const* at) { return __atomic_load_n(reinterpret_cast<u16 const*>(at), __ATOMIC_RELAXED); }
    static wire::Descriptor load_descriptor(u8 const* table, u32 index);

    u32   add_in_pieces(Chain& chain, u32 count, wire::Descriptor descriptor) const;
    std::span<u8 const> find_indirect(wire::Descriptor descriptor) const;
    Taken follow(Chain& chain);                       // from its head on
    // What the driver says about interrupts: one of both, as it took the event index or not.
    bool  wants_interrupts() const { return !(load16(available_ + wire::ring_flags) & wire::available_no_interrupt); }
    u16   event_asked_for() const { return load16(available_ + wire::ring_entries + wire::available_entry * setup.size); }

    bool  publish(u16 end);
    u16   quiet_end() const;
    Taken break_down() { state_ = State::broken; return Taken::broken; }

    GuestMemory const* memory_ = nullptr;
    std::span<u8> first_;                             // the part of it that begins at 0: nearly every buffer lies in there
    u8 const* descriptors_ = nullptr;
    u8 const* available_ = nullptr;
    u8*       used_ = nullptr;
    u16       mask_ = 0;
    u16       next_ = 0;                              // of the available ring: the next to take
    u16       given_ = 0;                             // of the used ring: given back ...
    u16       published_ = 0;                         // ... and seen by the driver
    bool      event_index_ = false;
    State     state_ = State::set_up;
};

} // namespace kennel::service
