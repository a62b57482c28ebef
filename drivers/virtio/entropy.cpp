// SPDX-License-Identifier: Apache-2.0
//
// See entropy.hpp.
#include "drivers/virtio/entropy.hpp"
#include "drivers/instructions.hpp"

namespace kennel::service {

void VirtioEntropy::changed(Transport::Change change)
{
    if (change == Transport::Change::reset)
        transport.finish_reset();
}

void VirtioEntropy::kicked()
{
    Queue& queue = transport.queue(0);
    do {
        for (;;) {
            Queue::Taken const taken = queue.take(chain_);
            if (taken == Queue::Taken::none)
                break;
            if (taken == Queue::Taken::broken)
                return transport.break_down();
            // Buffers to read are against the rules, and left alone: "Device Requirements: Device Operation".
            u32 const wanted = static_cast<u32>(std::min<u64>(total_bytes(chain_.output()), most_bytes));
            u64 words[most_bytes / 8];
            u32 filled = 0;
            while (filled < wanted) {
                auto const word = random_word();
                if (!word)
                    break;                            // exhausted for now: fewer bytes, and no lie about them
                words[filled / 8] = *word;
                filled += 8;
            }
            filled = std::min(filled, wanted);
            queue.give_back(chain_.head, put_front(chain_.output(), words, filled));
        }
        if (queue.publish())
            transport.interrupt_queue(0);
    } while (queue.expect_kick());
}

} // namespace kennel::service
