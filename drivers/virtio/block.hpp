// SPDX-License-Identifier: Apache-2.0
//
// virtio-blk: from a chain to a request for a medium, and from its completion to the used ring. Steps 5 to 7 of the request
// path. Every number of the driver's is checked here, and BlockRequest is the proof. virtio 1.2, "Block Device".
//
// A medium that answers at once needs one slot. One that answers later holds up to `depth`. What a medium that answers at once
// does for one kick is bounded, too (bytes_at_once): it would keep the processor from everybody else. The rest
// waits for the driver's next kick, or until continue_at(), when somebody else has had the processor for most of the time since.
#pragma once
#include "drivers/block/medium.hpp"
#include "drivers/virtio/transport.hpp"
#include <array>
#include <string_view>
#include <utility>

namespace kennel::service {

class VirtioBlock {
public:
    static constexpr u32 depth = 32;                  // requests in flight
    static constexpr u64 most_bytes = 2 << 20;        // of one request; what the limits we announce allow
    static constexpr u64 bytes_at_once = 1 << 20;     // then no further request is begun: at most 400,000 instructions, with one of most_bytes
    static constexpr u32 request_worth = 2048;        // each counts as so many beside those it moves
    static constexpr u32 serial_bytes = 20;           // "Device Operation": VIRTIO_BLK_T_GET_ID

    // The medium lives as long as this does.
    VirtioBlock(Medium medium, std::string_view serial);

    Transport transport;

    void power_on();                                  // after the transport's
    void changed(Transport::Change change);
    void kicked() { serve(); }
    void completed();                                 // the medium's event came
    bool in_flight() const { return in_flight_ != 0; }
    // in_flight() or continue_at() may be another than it was the last time this was asked.
    bool take_change() { return std::exchange(has_changed_, false); }
    // 0: go_on() shall be called when there is time; ~0: there is nothing left over.
    u64  continue_at() const { return left_over_ ? 0 : ~0ull; }
    void go_on(u64) { serve(); }

    struct Counters { u64 requests = 0, malformed = 0, unsupported = 0, failed = 0, interrupts = 0; };
    Counters const& counters() const { return counters_; }

private:
    static constexpr u8  ok = 0, io_error = 1, unsupported = 2;          // VIRTIO_BLK_S_*

    // "Device Operation": struct virtio_blk_req.
    struct Header { u32 type, reserved; u64 sector; };
    static_assert(sizeof(Header) == 16);

    struct Slot {
        Chain        chain;
        Header       header;
        BlockRequest request;
        u8*          status = nullptr;                // its byte in the guest's RAM; null: there is none
        u32          written = 0;                     // bytes for the used ring, without the status
        bool         flush_next = false;              // a write that is to be on the medium when it completes
    };

    void serve();
    void begin(Slot& slot);
    bool parse(Slot& slot, u8& status);               // false: answered with `status`
    u8   parse_clearing(Slot& slot, BlockOperation operation, std::span<Segment> input);
    void submit(Slot& slot);
    void settle(Slot& slot, BlockStatus status);
    void finish(Slot& slot, u8 status);
    u32  number(Slot const& slot) const { return static_cast<u32>(&slot - slots_); }
    bool writes_back() const;
    // What a medium keeps stays in its slot until it has answered.
    void hold(Slot const& slot) { free_ &= ~(1u << number(slot)); }
    void let_go(Slot const& slot) { free_ |= 1u << number(slot); }
    bool may_begin() const { return free_ && !waiting_ && moved_ < bytes_at_once; }

    Medium           medium_;
    BlockProperties const& properties_;               // the medium's: found once, as they stay what they are
    std::array<char, serial_bytes> serial_{};
    Counters         counters_;
    u32              in_flight_ = 0;
    bool             has_changed_ = false;
    u64              moved_ = 0;                      // bytes since serve() began, of requests that were answered at once, and what all are worth
    bool             left_over_ = false;
    u32              free_ = ~0u;                     // bit n: slot n
    Slot*            waiting_ = nullptr;              // the medium was busy: the first to be submitted again
    Slot             slots_[depth];
    static_assert(depth == 32);
};

} // namespace kennel::service
