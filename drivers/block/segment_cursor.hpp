// SPDX-License-Identifier: Apache-2.0
//
// Where in a request's segments the next byte is, and the three ways to go on from there. Segments hold at least what is asked
// for: the request was made of them.
#pragma once
#include "drivers/block/backend.hpp"
#include "drivers/instructions.hpp"

namespace kennel::service {

struct SegmentCursor {
    usize index = 0;
    u32   offset = 0;

    // The next piece, at most `wanted` bytes of one segment. Empty: there is none left.
    std::span<u8> take(std::span<Segment const> segments, u64 wanted)
    {
        while (index < segments.size() && offset == segments[index].size) {
            index++;
            offset = 0;
        }
        if (index == segments.size())
            return {};
        u32 const left = segments[index].size - offset;
        u32 const size = wanted < left ? static_cast<u32>(wanted) : left;
        u8* const at = segments[index].data + offset;
        offset += size;
        return {at, size};
    }

    void skip(std::span<Segment const> segments, u64 bytes)
    {
        each(segments, bytes, [](std::span<u8>, u64) {});
    }
    void gather(std::span<Segment const> segments, u8* to, u64 bytes)
    {
        each(segments, bytes, [to](std::span<u8> piece, u64 at) { copy_bytes(to + at, piece.data(), piece.size()); });
    }
    void scatter(std::span<Segment const> segments, u8 const* from, u64 bytes)
    {
        each(segments, bytes, [from](std::span<u8> piece, u64 at) { copy_bytes(piece.data(), from + at, piece.size()); });
    }

private:
    template<class Do> void each(std::span<Segment const> segments, u64 bytes, Do&& act)
    {
        for (u64 at = 0; at < bytes;) {
            auto const piece = take(segments, bytes - at);
            act(piece, at);
            at += piece.size();
        }
    }
};

} // namespace kennel::service
