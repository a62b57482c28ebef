// SPDX-License-Identifier: Apache-2.0
//
// A frame on its way through the service: where its bytes are, and what its sender left for others to do. Its head is a copy
// in the service's memory, taken once and checked; the rest stays where the sender put it until the receiver's copy is made,
// and may change meanwhile, which hurts nobody but the one who sent it.
// What receives a frame may use it until it returns; nobody keeps one.
#pragma once
#include "drivers/block/backend.hpp"
#include "drivers/net/checksum.hpp"
#include "drivers/net/headers.hpp"

namespace kennel::service::net {

using Piece = Segment;                                // bytes that are readable for as long as the frame is

enum class Segmentation : u8 { none, tcp4, tcp6 };

// What a sender left undone (virtio 1.2, "Packet Transmission"). Believed only after offload.hpp has checked it.
struct Offload {
    bool         needs_checksum = false;
    u16          checksum_start = 0;                  // from the frame's first byte: what is summed begins here
    u16          checksum_offset = 0;                 // from there: where the sum goes
    Segmentation segmentation = Segmentation::none;
    u16          segment_bytes = 0;                   // of payload
    u16          header_bytes = 0;                    // of a TCP packet: up to its payload
};

inline constexpr u32 max_frame    = 65535 + 18;       // a whole IP packet behind an Ethernet header with a tag
inline constexpr u32 plain_frame  = 1514;             // what fits on a wire
inline constexpr u32 max_headers  = 14 + 4 + 60 + 60; // Ethernet, tag, and IPv4 and TCP with all their options

struct Frame {
    std::span<u8 const>    head;                      // the service's own; an EthernetHeader at least
    std::span<Piece const> rest;
    u32     skip = 0;                                 // bytes of rest[0] that do not belong to it
    u32     size = 0;                                 // all of it; head and rest hold that much
    Offload offload;

    EthernetHeader ethernet() const
    {
        EthernetHeader header;
        __builtin_memcpy(&header, head.data(), sizeof header);
        return header;
    }
};

// Reads a frame from front to back.
class FrameReader {
public:
    explicit FrameReader(Frame const& frame) : now_{frame.head}, rest_{frame.rest}, skip_{frame.skip}, left_{frame.size} { settle(); }

    u32 left() const { return left_; }

    // What lies in one piece from here on, at most `wanted` bytes. Empty only at the end.
    std::span<u8 const> next(u32 wanted)
    {
        u32 size = wanted < left_ ? wanted : left_;
        if (size > now_.size())
            size = static_cast<u32>(now_.size());
        auto const part = now_.first(size);
        now_ = now_.subspan(size);
        left_ -= size;
        settle();
        return part;
    }
    // As many of the next bytes as `to` takes and there are. -> how many
    u32  copy(std::span<u8> to);
    void pass(u32 bytes)
    {
        while (bytes) {
            auto const part = next(bytes);
            if (part.empty())
                return;
            bytes -= static_cast<u32>(part.size());
        }
    }

private:
    void settle()
    {
        while (now_.empty() && left_) {
            if (rest_.empty()) {
                left_ = 0;                            // a frame that says more than it has ends here
                return;
            }
            now_ = {rest_.front().data, rest_.front().size};
            rest_ = rest_.subspan(1);
            now_ = now_.subspan(skip_ < now_.size() ? skip_ : now_.size());
            skip_ = 0;
        }
    }

    std::span<u8 const>    now_;
    std::span<Piece const> rest_;
    u32 skip_, left_;
};

// The same frame with a copy of its first bytes, as many as `space` takes, as its head: to be changed there.
Frame with_head(Frame const& frame, std::span<u8> space);

// `bytes` from `from` on, as if they lay in one piece and began at an even place.
Sum sum_of(Frame const& frame, u32 from, u32 bytes);

} // namespace kennel::service::net
