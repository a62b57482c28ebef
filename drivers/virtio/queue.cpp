// SPDX-License-Identifier: Apache-2.0
//
// See queue.hpp.
#include "drivers/virtio/queue.hpp"
#include "drivers/instructions.hpp"

namespace kennel::service {

[[gnu::noinline]] std::span<Segment> take_front(std::span<Segment> pieces, void* to, u32 bytes)
{
    u8* place = static_cast<u8*>(to);
    while (bytes) {
        if (pieces.empty())
            return {};
        Segment& front = pieces.front();
        u32 const part = std::min(bytes, front.size);
        __builtin_memcpy(place, front.data, part);
        front.data += part;
        front.size -= part;
        place += part;
        bytes -= part;
        if (front.size == 0)
            pieces = pieces.subspan(1);
    }
    return pieces;
}

[[gnu::noinline]] u32 put_front(std::span<Segment const> pieces, void const* from, u32 bytes)
{
    u32 done = 0;
    for (Segment const& piece : pieces) {
        u32 const part = std::min(bytes - done, piece.size);
        copy_bytes(piece.data, static_cast<u8 const*>(from) + done, part);
        done += part;
        if (done == bytes)
            break;
    }
    return done;
}

u64 total_bytes(std::span<Segment const> pieces)
{
    u64 sum = 0;
    for (Segment const& piece : pieces)
        sum += piece.size;
    return sum;
}

void Queue::reset(u16 size)
{
    *this = Queue{};
    setup.size = size;
}

bool Queue::start(GuestMemory const& memory, bool event_index)
{
    // "Split Virtqueues": 16, 2 and 4 bytes are the least alignments.
    if (setup.descriptors % 16 || setup.available % 2 || setup.used % 4)
        return false;
    auto const descriptors = memory.span(setup.descriptors, wire::descriptors_bytes(setup.size));
    auto const available = memory.span(setup.available, wire::available_bytes(setup.size));
    auto const used = memory.span(setup.used, wire::used_bytes(setup.size));
    if (descriptors.empty() || available.empty() || used.empty())
        return false;
    memory_ = &memory;
    first_ = {memory.parts().front().host, memory.parts().front().size};
    descriptors_ = descriptors.data();
    available_ = available.data();
    used_ = used.data();
    mask_ = setup.size - 1;
    next_ = given_ = published_ = 0;
    event_index_ = event_index;
    state_ = State::running;
    return true;
}

wire::Descriptor Queue::load_descriptor(u8 const* table, u32 index)
{
    u64 const* const words = reinterpret_cast<u64 const*>(table + 16 * index);
    u64 const low = __atomic_load_n(&words[0], __ATOMIC_RELAXED), high = __atomic_load_n(&words[1], __ATOMIC_RELAXED);
    return {low, static_cast<u32>(high), static_cast<u16>(high >> 32), static_cast<u16>(high >> 48)};
}

// A buffer that is not all in the first part of the guest's RAM. -> how many pieces the chain has now.
[[gnu::noinline]] u32 Queue::add_in_pieces(Chain& chain, u32 count, wire::Descriptor descriptor) const
{
    u64 address = descriptor.address;
    u32 rest = descriptor.length;
    while (rest) {
        auto const piece = memory_->piece(address, rest);
        if (piece.empty() || count == Chain::most_pieces) {
            chain.outside = true;
            break;
        }
        chain.pieces[count++] = {piece.data(), static_cast<u32>(piece.size())};
        address += piece.size();
        rest -= static_cast<u32>(piece.size());
    }
    return count;
}

// The table that a descriptor of the queue's own refers to; empty: it must not, or that is not the guest's RAM. "Indirect Descriptors".
[[gnu::noinline]] std::span<u8 const> Queue::find_indirect(wire::Descriptor descriptor) const
{
    if ((descriptor.flags & wire::descriptor::next) || descriptor.length % 16 || descriptor.length / 16 > setup.size || descriptor.address % 8)
        return {};
    return memory_->span(descriptor.address, descriptor.length);
}

// Apart from take(), which is inlined where it finds nothing most of the time.
[[gnu::noinline]] Queue::Taken Queue::follow(Chain& chain)
{
    u8 const* table = descriptors_;
    u32 size = setup.size, left = size, index = chain.head, count = 0, readable = 0;
    bool is_inside = false;                           // an indirect table, which may lie anywhere, even where the queue's own does
    // No chain is longer than its table, so a loop ends here, too.
    while (index < size && left--) {
        wire::Descriptor descriptor = load_descriptor(table, index);
        if (descriptor.flags & wire::descriptor::indirect) [[unlikely]] {
            if (is_inside)
                return break_down();
            is_inside = true;
            auto const indirect = find_indirect(descriptor);
            table = indirect.data();
            size = left = static_cast<u32>(indirect.size()) / 16;
            index = 0;
            continue;
        }
        // A buffer to read behind one to write: "Message Framing" and "The Virtqueue Descriptor Table" forbid it, and no
        // device could tell which is which.
        bool const is_output = descriptor.flags & wire::descriptor::write;
        if (!is_output && count != readable)
            return break_down();
        if (descriptor.address < first_.size() && descriptor.length - 1ull < first_.size() - descriptor.address && count < Chain::most_pieces) [[likely]] {
            chain.pieces[count++] = {first_.data() + descriptor.address, descriptor.length};
        } else {
            count = add_in_pieces(chain, count, descriptor);
            if (chain.outside)
                descriptor.flags = 0;             // nothing of it will be used, whatever follows
        }
        if (!is_output)
            readable = count;
        if (!(descriptor.flags & wire::descriptor::next)) {
            chain.readable = static_cast<u16>(readable);
            chain.count = static_cast<u16>(count);
            return Taken::chain;
        }
        index = descriptor.next;
    }
    return break_down();
}

Queue::Taken Queue::take(Chain& chain)
{
    if (state_ != State::running) [[unlikely]]
        return state_ == State::broken ? Taken::broken : Taken::none;
    // Ordering: acquire pairs with the driver's barrier: the entry and its buffers were written before the index.
    u16 const index = __atomic_load_n(reinterpret_cast<u16 const*>(available_ + wire::ring_index), __ATOMIC_ACQUIRE);
    u16 const waiting = static_cast<u16>(index - next_);
    if (waiting == 0)
        return Taken::none;
    if (waiting > setup.size) [[unlikely]]
        return break_down();                          // it cannot have made so many available
    u16 const head = load16(available_ + wire::ring_entries + wire::available_entry * (next_ & mask_));
    next_++;
    chain.head = head;
    chain.outside = false;
    return follow(chain);
}

void Queue::give_back(u16 head, u32 written)
{
    if (state_ != State::running)
        return;
    u8* const entry = used_ + wire::ring_entries + wire::used_entry * (given_ & mask_);
    __atomic_store_n(reinterpret_cast<u32*>(entry), head, __ATOMIC_RELAXED);
    __atomic_store_n(reinterpret_cast<u32*>(entry + 4), written, __ATOMIC_RELAXED);
    given_++;
}

bool Queue::publish(u16 end)
{
    if (state_ != State::running || end == published_)
        return false;
    u16 const old = published_;
    published_ = end;
    // Ordering: release: entries and data before the index. Then a full barrier: the driver writes its event index and
    // looks at ours, we the other way round; one of both must see the other's. "Used Buffer Notification Suppression".
    __atomic_store_n(reinterpret_cast<u16*>(used_ + wire::ring_index), published_, __ATOMIC_RELEASE);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (!event_index_)
        return wants_interrupts();
    return static_cast<u16>(published_ - event_asked_for() - 1) < static_cast<u16>(published_ - old);
}

// The entry whose use the driver waits for, or the end when it waits for none of these.
u16 Queue::quiet_end() const
{
    if (state_ != State::running)
        return published_;
    if (!event_index_)
        return wants_interrupts() ? published_ : given_;
    u16 const event = event_asked_for();
    return static_cast<u16>(event - published_) < held() ? event : given_;
}

bool Queue::expect_kick()
{
    if (state_ != State::running)
        return false;
    if (event_index_) {
        // Until this is written, the driver sees the old index passed by and stays quiet: "Available Buffer Notification
        // Suppression". From where the driver is now, not from where we are: what lies between is known.
        u16 const index = load16(available_ + wire::ring_index);
        __atomic_store_n(reinterpret_cast<u16*>(used_ + wire::ring_entries + wire::used_entry * setup.size), index, __ATOMIC_RELAXED);
        // Ordering: full barrier, as in publish(), with the sides exchanged.
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
    }
    return __atomic_load_n(reinterpret_cast<u16 const*>(available_ + wire::ring_index), __ATOMIC_ACQUIRE) != next_;
}

} // namespace kennel::service
