// SPDX-License-Identifier: Apache-2.0
//
// See checksum.hpp.
#include "drivers/net/checksum.hpp"

namespace kennel::service::net {

Sum sum_of(std::span<u8 const> bytes)
{
    u8 const* at = bytes.data();
    usize rest = bytes.size();
    u64 sum = 0;
    // Eight bytes a step and 32 a turn; a carry is worth one, wherever it falls out.
    auto const add = [&](usize offset) {
        u64 word;
        __builtin_memcpy(&word, at + offset, sizeof word);
        sum += word;
        sum += sum < word;
    };
    for (; rest >= 32; rest -= 32, at += 32) {
        add(0);
        add(8);
        add(16);
        add(24);
    }
    for (; rest >= 8; rest -= 8, at += 8)
        add(0);
    if (rest) {
        u64 word = 0;
        for (usize i = 0; i < rest; i++)
            word |= static_cast<u64>(at[i]) << (8 * i);
        sum += word;
        sum += sum < word;
    }
    return {sum};
}

} // namespace kennel::service::net
