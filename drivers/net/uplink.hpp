// SPDX-License-Identifier: Apache-2.0
//
// The machine's network card: found on PCI, given memory, bound to its interrupt. At home on vCPU 0 of the service that owns the
// devices.
#pragma once
#include "drivers/heap.hpp"
#include "drivers/log.hpp"
#include "drivers/net/e1000.hpp"

namespace kennel::service::net {

class Uplink {
public:
    static constexpr u32 most_frames = 64;            // at once: others get a turn, then it goes on

    // False: there is none that we know, which was said.
    bool discover(Heap& heap, u64 tsc_hz, bool everything, Log& log);
    void start(u64 event, Log& log);

    E1000& card() { return card_; }

    // The card rang. True: its link came or went.
    bool interrupt() { return card_.interrupt(); }
    // After everything that had come was taken.
    void acknowledge();

private:
    E1000 card_;
    u32   line_ = 0;
    u64   interrupt_ = 0;                             // handle; 0: it has none
};

} // namespace kennel::service::net
