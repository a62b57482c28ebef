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
