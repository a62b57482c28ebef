// SPDX-License-Identifier: Apache-2.0
//
// Where a model's interrupts go: messages into the guest's own APICs, which live in hv. Host tests count them instead.
#pragma once
#include "drivers/hypercalls.hpp"

namespace kennel::service {

class InterruptSink {
public:
    void attach(u64 partition) { partition_ = partition; }

    // An MSI as the device would send it. What the guest programmed may be nonsense: hv refuses it, and nothing arrives.
    void raise(u64 address, u32 data)
    {
        if (interrupt_raise(partition_, address, data) != Status::ok)
            refused_++;
    }
    u64 refused() const { return refused_; }

private:
    u64 partition_ = 0;
    u64 refused_ = 0;
};

} // namespace kennel::service
