// SPDX-License-Identifier: Apache-2.0
//
// The guest's serial port: a 16550A with its two FIFOs, at 0x3F8, interrupt on I/O APIC input 4.
// Output goes into a ring the console empties. The transmitter is "empty" whenever that ring has room for a whole FIFO, so a guest
// that polls never waits for a baud rate, and one that writes faster than the console can is held back as by hardware.
// PC16550D data sheet, "Registers" and "Interrupts".
#pragma once
#include "drivers/console/ring.hpp"
#include "drivers/model/ioapic.hpp"

namespace kennel::service {

class Uart16550 {
public:
    static constexpr u16 port  = 0x3f8;
    static constexpr u16 ports = 8;
    static constexpr u32 input_line = 4;

    Uart16550(IoApic& io_apic, ByteRing& output, ByteRing& input) : io_apic_{io_apic}, output_{output}, input_{input} {}

    void reset();
    u8   read(u16 offset);
    void write(u16 offset, u8 value);

    // What is typed is for another device of the guest's: nothing is taken of the ring of input.
    void give_input_away() { listens_ = false; }

    // The rings changed at their other ends: bytes came in, or room came about.
    void rings_changed();
    // Since the last question there was output, or the guest looked whether there is room and there was none.
    bool take_output_mark()
    {
        bool const mark = output_mark_;
        output_mark_ = false;
        return mark;
    }
    bool is_blocked() const { return blocked_; }      // the guest was told "busy", and waits to hear of room
    u64 lost() const { return lost_; }

private:
    static constexpr u32 fifo_depth = 16;

    bool transmitter_empty() const { return output_.room() >= fifo_depth; }
    bool loopback() const;
    u8   line_status() const;
    u8   modem_status() const;
    u8   pending() const;                             // what the interrupt identification register says
    void transmit(u8 byte);
    void receive(u8 byte);
    void refill();
    u8   take_received();
    void update_line();

    IoApic&   io_apic_;
    ByteRing& output_;
    ByteRing& input_;

    u8   interrupt_enable_ = 0, line_control_ = 0, modem_control_ = 0, scratch_ = 0;
    u16  divisor_ = 1;
    u8   trigger_ = 1;                                // received bytes that raise the interrupt
    bool fifo_enabled_ = false;
    bool empty_pending_ = false;                      // "transmitter empty" not yet seen in the identification register
    bool timeout_pending_ = false;                    // bytes below the trigger wait: character timeout
    bool overrun_ = false;
    bool output_mark_ = false;
    bool listens_ = true;                             // for good: not a register
    bool blocked_ = false;                            // the guest was told that the transmitter is busy
    u8   received_[fifo_depth] = {};
    u32  received_first_ = 0, received_count_ = 0;
    u64  lost_ = 0;                                   // written against our word that there is no room
};

} // namespace kennel::service
