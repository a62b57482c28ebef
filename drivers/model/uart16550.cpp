// SPDX-License-Identifier: Apache-2.0
//
// See uart16550.hpp.
#include "drivers/model/uart16550.hpp"

namespace kennel::service {

namespace {

// Offsets; the first two are the divisor while line control says so.
constexpr u16 data = 0, interrupt_enable = 1, identification = 2 /* written: FIFO control */, line_control = 3, modem_control = 4,
              line_status_offset = 5, modem_status_offset = 6, scratch = 7;

constexpr u8 enable_received = 1, enable_empty = 2, enable_line = 4, enable_modem = 8;

constexpr u8 id_none = 1, id_empty = 2, id_received = 4, id_line = 6, id_timeout = 12, id_fifos = 0xc0;

constexpr u8 fifo_enable = 1, fifo_clear_receiver = 2;

constexpr u8 divisor_access = 0x80;

constexpr u8 loop = 0x10;                             // modem control; 0x01 DTR, 0x02 RTS, 0x04 OUT1, 0x08 OUT2

constexpr u8 status_ready = 1, status_overrun = 2, status_holding_empty = 0x20, status_all_empty = 0x40;

constexpr u8 clear_to_send = 0x10, data_set_ready = 0x20, ring = 0x40, carrier = 0x80;

constexpr u8 triggers[4] = {1, 4, 8, 14};             // FIFO control, bits 7:6

} // namespace

void Uart16550::reset()
{
    interrupt_enable_ = line_control_ = modem_control_ = scratch_ = 0;
    divisor_ = 1;
    trigger_ = 1;
    fifo_enabled_ = empty_pending_ = timeout_pending_ = overrun_ = output_mark_ = blocked_ = false;
    received_first_ = received_count_ = 0;
    update_line();
}

bool Uart16550::loopback() const { return modem_control_ & loop; }

u8 Uart16550::line_status() const
{
    u8 const empty = transmitter_empty() ? status_holding_empty | status_all_empty : 0;
    return static_cast<u8>(empty | (received_count_ ? status_ready : 0) | (overrun_ ? status_overrun : 0));
}

u8 Uart16550::modem_status() const
{
    if (!loopback())
        return clear_to_send | data_set_ready | carrier;     // a terminal is there and ready
    // "Modem Control Register", bit 4: the outputs come back as inputs.
    u8 const m = modem_control_;
    return static_cast<u8>((m & 2 ? clear_to_send : 0) | (m & 1 ? data_set_ready : 0) | (m & 4 ? ring : 0) | (m & 8 ? carrier : 0));
}

u8 Uart16550::pending() const
{
    // In order of priority: "Interrupt Identification Register".
    if ((interrupt_enable_ & enable_line) && overrun_)
        return id_line;
    if ((interrupt_enable_ & enable_received) && received_count_ >= trigger_)
        return id_received;
    if ((interrupt_enable_ & enable_received) && received_count_ && timeout_pending_)
        return id_timeout;
    if ((interrupt_enable_ & enable_empty) && empty_pending_)
        return id_empty;
    return id_none;
}

void Uart16550::update_line()
{
    // OUT2 gates the interrupt on every PC; Linux sets it. In loopback the pins are disconnected.
    io_apic_.set_input(input_line, pending() != id_none && !loopback());
}

void Uart16550::transmit(u8 byte)
{
    if (loopback()) {
        receive(byte);
        return;
    }
    if (!output_.push(byte))
        lost_++;
    output_mark_ = true;
    // The byte leaves at once: the holding register was full for no time at all, and is empty again.
    empty_pending_ = transmitter_empty();
    blocked_ = !empty_pending_;
}

void Uart16550::receive(u8 byte)
{
    if (received_count_ == (fifo_enabled_ ? fifo_depth : 1)) {
        overrun_ = true;
        return;
    }
    received_[(received_first_ + received_count_++) % fifo_depth] = byte;
    timeout_pending_ = fifo_enabled_;
}

u8 Uart16550::take_received()
{
    if (!received_count_)
        return 0;
    u8 const byte = received_[received_first_];
    received_first_ = (received_first_ + 1) % fifo_depth;
    received_count_--;
    refill();
    return byte;
}

void Uart16550::refill()
{
    while (listens_ && !loopback() && received_count_ < (fifo_enabled_ ? fifo_depth : 1u) && !input_.empty())
        receive(input_.pop());
}

void Uart16550::rings_changed()
{
    refill();
    if (blocked_ && transmitter_empty()) {
        blocked_ = false;
        empty_pending_ = true;
    }
    update_line();
}

u8 Uart16550::read(u16 offset)
{
    u8 value = 0;
    switch (offset) {
    case line_status_offset:
        value = line_status();
        if (!(value & status_holding_empty))
            blocked_ = output_mark_ = true;           // it will ask again and again: the console should hurry
        if (!overrun_)
            return value;
        overrun_ = false;
        break;
    case data:
        if (line_control_ & divisor_access)
            return static_cast<u8>(divisor_);
        value = take_received();
        break;
    case interrupt_enable:
        return line_control_ & divisor_access ? static_cast<u8>(divisor_ >> 8) : interrupt_enable_;
    case identification:
        value = pending();
        if (value == id_empty)
            empty_pending_ = false;                   // reading it is what clears it
        value |= fifo_enabled_ ? id_fifos : 0;
        break;
    case line_control:        return line_control_;
    case modem_control:       return modem_control_;
    case modem_status_offset: return modem_status();
    default:                  return scratch_;
    }
    update_line();
    return value;
}

void Uart16550::write(u16 offset, u8 value)
{
    switch (offset) {
    case data:
        if (line_control_ & divisor_access)
            divisor_ = static_cast<u16>((divisor_ & 0xff00) | value);
        else
            transmit(value);
        break;
    case interrupt_enable:
        if (line_control_ & divisor_access) {
            divisor_ = static_cast<u16>((divisor_ & 0xff) | value << 8);
            break;
        }
        // Enabling "transmitter empty" while it is empty raises it: drivers probe for that, and start sending so.
        if (!(interrupt_enable_ & enable_empty) && (value & enable_empty))
            empty_pending_ = transmitter_empty();
        interrupt_enable_ = value & (enable_received | enable_empty | enable_line | enable_modem);
        break;
    case identification:
        fifo_enabled_ = value & fifo_enable;
        if ((value & fifo_clear_receiver) || !fifo_enabled_)
            received_count_ = 0;
        trigger_ = fifo_enabled_ ? triggers[value >> 6] : 1;
        refill();
        break;
    case line_control:
        line_control_ = value;
        break;
    case modem_control:
        modem_control_ = value & 0x1f;
        refill();
        break;
    case scratch:
        scratch_ = value;
        break;
    default:                                          // both status registers are read-only
        break;
    }
    update_line();
}

} // namespace kennel::service
