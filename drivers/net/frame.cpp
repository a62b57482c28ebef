// SPDX-License-Identifier: Apache-2.0
//
// See frame.hpp.
#include "drivers/net/frame.hpp"
#include "drivers/instructions.hpp"

namespace kennel::service::net {

u32 FrameReader::copy(std::span<u8> to)
{
    u32 done = 0;
    while (done < to.size()) {
        auto const part = next(static_cast<u32>(to.size()) - done);
        if (part.empty())
            break;
        copy_bytes(to.data() + done, part.data(), part.size());
        done += static_cast<u32>(part.size());
    }
    return done;
}

Frame with_head(Frame const& frame, std::span<u8> space)
{
    Frame copied = frame;
    u32 const bytes = FrameReader{frame}.copy(space);
    copied.head = space.first(bytes);
    // What lies in the copy is passed over where it came from.
    if (bytes < frame.head.size()) {
        copied.size = bytes;                          // shorter than its head: nobody asks for that
        copied.rest = {};
        return copied;
    }
    u32 ahead = bytes - static_cast<u32>(frame.head.size());
    while (!copied.rest.empty() && ahead >= copied.rest.front().size - copied.skip) {
        ahead -= copied.rest.front().size - copied.skip;
        copied.rest = copied.rest.subspan(1);
        copied.skip = 0;
    }
    copied.skip += ahead;
    return copied;
}

Sum sum_of(Frame const& frame, u32 from, u32 bytes)
{
    FrameReader reader{frame};
    reader.pass(from);
    Sum sum;
    for (u32 done = 0; done < bytes;) {
        auto const part = reader.next(bytes - done);
        if (part.empty())
            break;
        Sum const here = sum_of(part);
        sum = plus(sum, done % 2 ? at_odd_place(here) : here);
        done += static_cast<u32>(part.size());
    }
    return sum;
}

} // namespace kennel::service::net
