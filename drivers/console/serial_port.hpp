// SPDX-License-Identifier: Apache-2.0
//
// The machine's own 16550, as the console uses it: bytes out as long as it takes them, bytes in, and one interrupt for
// both. A port that never becomes ready must not hold anyone up: every wait is bounded.
// PC16550D data sheet, "Registers".
#pragma once
#include "hv/lib/types.hpp"
#include <optional>

namespace kennel::service {

class SerialPort {
public:
    // 115200 baud, 8 data bits, FIFOs on, interrupt for received bytes.
    void open(u16 base, u64 tsc_hz);

    bool can_send();                                  // a whole burst() may be sent
    u32  burst() const { return burst_; }
    void send(u8 byte);
    std::optional<u8> receive();

    // Interrupt when can_send() becomes true.
    void want_send_interrupt(bool wanted);
    // What the interrupt was for is taken note of; false: there is nothing any more.
    bool take_interrupt();

    // Waits until can_send(), but not for ever. False: the port is stuck.
    bool wait_to_send();

private:
    u16 base_ = 0;
    u32 burst_ = 1;
    u8  interrupts_ = 0;
    u64 patience_ = 0;                                // TSC ticks
};

} // namespace kennel::service
