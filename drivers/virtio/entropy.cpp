// SPDX-License-Identifier: Apache-2.0
//
// See entropy.hpp.
#include "drivers/virtio/entropy.hpp"
#include "drivers/instructions.hpp"

namespace kennel::service {

bool VirtioEntropy::is_offered() { return has_random_words(); }

void VirtioEntropy::changed(Transport::Change change)
{
    if (change == Transport::Change::reset)
        transport.finish_reset();
}

// Buffers to read are against the rules, and left alone: "Device Requirements: Device Operation".
static u32 fill(Chain& chain)
{
    constexpr u32 most_bytes = VirtioEntropy::most_bytes;
    u32 const wanted = static_cast<u32>(std::min<u64>(total_bytes(chain.output()), most_bytes));
    u64 words[most_bytes / 8];
    u32 filled = 0;
    while (filled < wanted) {
        auto const word = random_word();
        if (!word)
            break;                                    // exhausted for now: fewer bytes, and no lie about them
        words[filled / 8] = *word;
        filled += 8;
    }
    return put_front(chain.output(), words, std::min(filled, wanted));
}

void VirtioEntropy::kicked() { transport.serve(0, chain_, fill); }

} // namespace kennel::service
