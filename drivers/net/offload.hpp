// SPDX-License-Identifier: Apache-2.0
//
// What a sender left undone, done for a receiver that cannot do it: checksums are completed, and large TCP packets become
// segments. Between two ends that both can, a frame of 64 KiB passes untouched.
//   frame -> suit(frame, what the receiver accepts, send) -> send(frame that it can take), once or for each segment
#pragma once
#include "drivers/net/frame.hpp"

namespace kennel::service::net {

struct Accepts {
    bool checksum = false;                            // frames whose checksum is not completed
    bool tcp4 = false, tcp6 = false;                  // TCP packets that are not segmented
    u32  largest = plain_frame;                       // of other frames, bytes
};

// How a frame's handling ended.
enum class Delivery : u8 {
    taken,
    full,                                             // no room at the receiver
    down,                                             // the receiver takes nothing now
    oversized,                                        // larger than it takes
    bad_offload,                                      // what the sender asked for makes no sense
};

// Whether a frame is what its offload says; notes where its payload begins. Asked once, where a frame enters.
bool check_offload(Frame& frame);

inline constexpr u32 max_segments = 128;              // of one frame: 64 KiB at the smallest usual segment size

// One TCP packet into many. Headers are copied out of the frame once, checked, and written anew for each segment.
class Segmenter {
public:
    // False: the frame is not what its offload says.
    bool open(Frame const& frame);
    // The next segment, complete with checksums; it lies in this object and in the frame. False: there is none left.
    bool next(Frame& segment);

    u32 header_bytes() const { return header_bytes_; }

private:
    Frame const* frame_ = nullptr;
    u8  headers_[max_headers] = {};                   // of the whole packet
    u8  head_[max_headers] = {};                      // of this segment
    u32 header_bytes_ = 0, network_ = 0, transport_ = 0;   // where the IP and the TCP header begin
    u32 done_ = 0, index_ = 0;                        // bytes of payload
    Sum pseudo_;                                      // of the pseudo-header's addresses and protocol
    std::span<Piece const> rest_;
    u32 skip_ = 0;
};

// Completes the checksum of a frame that says it needs that. `space` holds the new head. False: it makes no sense.
bool complete_checksum(Frame const& frame, std::span<u8, max_headers> space, Frame& completed);

// True where the frame can go as it is.
inline bool suits(Frame const& frame, Accepts const& accepts)
{
    switch (frame.offload.segmentation) {
    case Segmentation::none: return (!frame.offload.needs_checksum || accepts.checksum) && frame.size <= accepts.largest;
    case Segmentation::tcp4: return accepts.tcp4;
    case Segmentation::tcp6: return accepts.tcp6;
    }
    return false;
}

// Hands `send` frames the receiver accepts. Stops at the first it does not take.
template<class Send> Delivery suit(Frame const& frame, Accepts const& accepts, Send&& send)
{
    if (suits(frame, accepts)) [[likely]]
        return send(frame);
    if (frame.offload.segmentation == Segmentation::none) {
        if (frame.size > accepts.largest)
            return Delivery::oversized;
        u8 space[max_headers];
        Frame completed;
        return complete_checksum(frame, space, completed) ? send(completed) : Delivery::bad_offload;
    }
    Segmenter segmenter;
    if (!segmenter.open(frame))
        return Delivery::bad_offload;
    Frame segment;
    while (segmenter.next(segment)) {
        Delivery const delivery = segment.size <= accepts.largest ? send(segment) : Delivery::oversized;
        if (delivery != Delivery::taken)
            return delivery;
    }
    return Delivery::taken;
}

} // namespace kennel::service::net
