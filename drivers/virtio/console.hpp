// SPDX-License-Identifier: Apache-2.0
//
// virtio-console: the guest's terminal without a serial port's registers, one port, hvc0 in Linux. It stands beside the 16550 and
// writes into the same ring of output; what is typed goes to one of the two (Guest). A buffer the ring has no room for is kept until
// it has: the driver sees it as not sent yet. virtio 1.2, "Console Device".
#pragma once
#include "drivers/console/ring.hpp"
#include "drivers/virtio/transport.hpp"

namespace kennel::service {

class VirtioConsole {
public:
    static constexpr u16 columns = 80, rows = 24;     // until somebody knows better

    VirtioConsole(ByteRing& output, ByteRing& input);

    Transport transport;

    void power_on();                                  // after the transport's
    void changed(Transport::Change change);
    void kicked(u32 queue);
    // The rings changed at their other ends: bytes came in, or room came about.
    void rings_changed();
    // The terminal's window; the driver is told when it is another one.
    void set_size(u16 columns, u16 rows);

    bool take_change() const { return output_mark_; }   // as other devices'; the mark itself stays
    // Since the last question there was output.
    bool take_output_mark()
    {
        bool const mark = output_mark_;
        output_mark_ = false;
        return mark;
    }
    bool is_blocked() const { return sending_; }      // output waits for room

private:
    static constexpr u32 receive_queue = 0, transmit_queue = 1;
    static constexpr u16 queue_size = 64;
    static constexpr u32 buffers_at_once = 2 * queue_size;   // more than an honest driver can have made available

    void send();
    void tell_size();
    bool send_chain();
    void receive();

    ByteRing& output_;
    ByteRing& input_;
    bool  sending_ = false;                           // sent_ is on its way
    usize piece_ = 0;                                 // of sent_: where the next byte is
    u32   offset_ = 0;
    bool  output_mark_ = false;
    bool  told_size_ = false;                         // since the driver started
    Chain sent_, received_;
};

} // namespace kennel::service
