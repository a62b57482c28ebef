// SPDX-License-Identifier: Apache-2.0
//
// Where a model's interrupts go: messages into the guest's own APICs, which live in hv. Host tests count them instead.
// One of them may be kept until the service waits, and is handed over with that call: the guest runs no earlier anyway.
#pragma once
#include "drivers/hypercalls.hpp"

namespace kennel::service {

class InterruptSink;

// The message that goes with the next wait. One for each vCPU of the service; holds one while the service takes its events.
struct Outbox {
    bool open = false;
    u64  partition = 0;                               // 0: empty
    u64  address = 0;
    u32  data = 0;
    InterruptSink* sender = nullptr;
};

class InterruptSink {
public:
    // Kept messages go by this box from now on.
    void set_outbox(Outbox& outbox) { outbox_ = &outbox; }
    // To a partition, from now on; 0: to none.
    void attach(u64 partition)
    {
        if (outbox_ && outbox_->sender == this)
            outbox_->partition = 0;                   // it was for the one before
        partition_ = partition;
    }

    // An MSI as the device would send it. What the guest programmed may be nonsense: hv refuses it, and nothing arrives.
    void raise(u64 address, u32 data)
    {
        if (outbox_ && outbox_->open && !outbox_->partition)
            *outbox_ = {true, partition_, address, data, this};
        else if (interrupt_raise(partition_, address, data) != Status::ok)
            refused_++;
    }
    void was_refused() { refused_++; }
    u64  refused() const { return refused_; }

private:
    u64     partition_ = 0;
    u64     refused_ = 0;
    Outbox* outbox_ = nullptr;
};

} // namespace kennel::service
