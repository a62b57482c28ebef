// SPDX-License-Identifier: Apache-2.0
//
// Frames from one of the service's vCPUs to another, of all networks both have a part of: a ring with one writer and one reader.
// A frame is copied into it, so that its sender's buffers are free at once, and out of it again; guests on one CPU do without.
// The reader's event is raised only where it said that it sleeps. A full ring drops: Delivery::full.
#pragma once
#include "drivers/hand_over.hpp"
#include "drivers/net/offload.hpp"

namespace kennel::service::net {

class Trunk {
public:
    static constexpr u32 ring_bytes = 256 * 1024;     // three of the largest frames, or hundreds of usual ones

    // Both are CPUs.
    Trunk(std::span<u8, ring_bytes> ring, u32 writer, u32 reader) : ring_{ring.data()}, writer_{writer}, reader_{reader} {}

    u32 writer() const { return writer_; }
    u32 reader() const { return reader_; }

    // ---- the writer's side ----
    // True in `must_ring`: raise the reader's event.
    Delivery push(u32 network, Frame const& frame, bool& must_ring)
    {
        u64 const bytes = room_for(frame.size);
        u64 at = written_.load(std::memory_order_relaxed);
        u64 const to_end = ring_bytes - at % ring_bytes;
        // A record lies in one piece; what is left before the end is passed over.
        u64 const passed = bytes > to_end ? to_end : 0;
        if (at + passed + bytes - read_.load(std::memory_order_acquire) > ring_bytes)
            return Delivery::full;
        if (passed) {
            place(at)->size = 0;
            at += passed;
        }
        Record& record = *place(at);
        record = {frame.size, network, frame.offload};
        FrameReader{frame}.copy({ring_ + at % ring_bytes + sizeof(Record), frame.size});
        // Ordering: release: the record is whole before it counts.
        written_.store(at + bytes, std::memory_order_release);
        must_ring = sleep_.must_ring();
        return Delivery::taken;
    }

    // ---- the reader's side ----
    // Hands over what was there when it began, or less: take(network, frame) says whether to go on. True: there is more by now.
    template<class Take> bool drain(Take&& take)
    {
        sleep_.fall_asleep();
        std::atomic_thread_fence(std::memory_order_seq_cst);
        u64 const end = written_.load(std::memory_order_acquire);
        u64 at = read_.load(std::memory_order_relaxed);
        for (bool go_on = true; at != end && go_on;) {
            Record const& record = *place(at);
            if (record.size == 0) {
                at += ring_bytes - at % ring_bytes;
                continue;
            }
            u8* const bytes = ring_ + at % ring_bytes + sizeof(Record);
            Piece const rest{bytes + sizeof(EthernetHeader), record.size - static_cast<u32>(sizeof(EthernetHeader))};
            go_on = take(record.network, Frame{.head = {bytes, sizeof(EthernetHeader)}, .rest = {&rest, 1}, .skip = 0, .size = record.size, .offload = record.offload});
            at += room_for(record.size);
            read_.store(at, std::memory_order_release);
        }
        read_.store(at, std::memory_order_release);
        return written_.load(std::memory_order_acquire) != at;
    }

private:
    struct alignas(8) Record { u32 size, network; Offload offload; };
    static constexpr u64 room_for(u32 size) { return (sizeof(Record) + size + 7) & ~7ull; }
    Record* place(u64 at) { return reinterpret_cast<Record*>(ring_ + at % ring_bytes); }

    u8*   ring_;
    u32   writer_, reader_;
    Sleep sleep_;
    alignas(64) std::atomic<u64> written_{0};         // bytes, for ever
    alignas(64) std::atomic<u64> read_{0};
};

} // namespace kennel::service::net
