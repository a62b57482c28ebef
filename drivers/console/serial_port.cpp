// SPDX-License-Identifier: Apache-2.0
//
// See serial_port.hpp.
#include "drivers/console/serial_port.hpp"
#include "drivers/instructions.hpp"

namespace kennel::service {

namespace {

constexpr u16 data = 0, interrupt_enable = 1, identification = 2, line_control = 3, modem_control = 4, line_status = 5;
constexpr u8  received_interrupt = 1, empty_interrupt = 2;
constexpr u8  status_ready = 1, status_holding_empty = 0x20;
constexpr u8  no_interrupt = 1;
constexpr u64 patience_ms = 100;                      // 16 bytes take 1.4 ms

} // namespace

void SerialPort::open(u16 base, u64 tsc_hz)
{
    base_ = base;
    patience_ = tsc_hz / 1000 * patience_ms;
    interrupts_ = received_interrupt;
    write_port(static_cast<u16>(base + interrupt_enable), 0);
    write_port(static_cast<u16>(base + line_control), 0x80);     // divisor access
    write_port(static_cast<u16>(base + data), 1);
    write_port(static_cast<u16>(base + interrupt_enable), 0);
    write_port(static_cast<u16>(base + line_control), 3);        // 8 data bits, no parity, 1 stop bit
    write_port(static_cast<u16>(base + identification), 0x07);   // FIFOs on and empty, interrupt from the first byte
    write_port(static_cast<u16>(base + modem_control), 0x0b);    // DTR, RTS, and OUT2, which lets the interrupt out
    write_port(static_cast<u16>(base + interrupt_enable), interrupts_);
    burst_ = (read_port(static_cast<u16>(base + identification)) & 0xc0) == 0xc0 ? 16 : 1;
}

bool SerialPort::can_send() { return read_port(static_cast<u16>(base_ + line_status)) & status_holding_empty; }

void SerialPort::send(u8 byte) { write_port(static_cast<u16>(base_ + data), byte); }

std::optional<u8> SerialPort::receive()
{
    u8 const status = read_port(static_cast<u16>(base_ + line_status));
    if (!(status & status_ready) || status == 0xff)   // all ones: there is no port
        return std::nullopt;
    return read_port(static_cast<u16>(base_ + data));
}

void SerialPort::want_send_interrupt(bool wanted)
{
    u8 const value = received_interrupt | (wanted ? empty_interrupt : 0);
    if (value == interrupts_)
        return;
    interrupts_ = value;
    write_port(static_cast<u16>(base_ + interrupt_enable), value);
}

bool SerialPort::take_interrupt() { return !(read_port(static_cast<u16>(base_ + identification)) & no_interrupt); }

bool SerialPort::wait_to_send()
{
    u64 const begin = time_stamp();
    while (!can_send()) {
        if (time_stamp() - begin > patience_)
            return false;
        relax();
    }
    return true;
}

} // namespace kennel::service
