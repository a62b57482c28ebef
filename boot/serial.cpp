// SPDX-License-Identifier: Apache-2.0
//
// See serial.hpp. Register offsets of the 16550.
#include "boot/serial.hpp"
#include "boot/instructions.hpp"

namespace kennel::boot {

namespace {

constexpr u16 data = 0, interrupt_enable = 1, fifo_control = 2, line_control = 3, modem_control = 4, line_status = 5, scratch = 7;
constexpr u8  transmitter_empty = 0x20;   // line status
constexpr u8  divisor_access    = 0x80;   // line control

void send(u16 base, char c)
{
    for (u32 wait = 0; wait < 100'000 && (in8(base + line_status) & transmitter_empty) == 0; wait++)
        pause();
    out8(base + data, static_cast<u8>(c));
}

} // namespace

// An absent port reads all ones. The scratch register has no other purpose than to be read back.
bool serial_present(u16 base)
{
    if (in8(base + line_status) == 0xff)
        return false;
    u8 const before = in8(base + scratch);
    bool present = true;
    for (u8 const pattern : {u8{0x5a}, u8{0xa5}}) {
        out8(base + scratch, pattern);
        present = present && in8(base + scratch) == pattern;
    }
    out8(base + scratch, before);
    return present;
}

void serial_start(u16 base)
{
    out8(base + interrupt_enable, 0);
    out8(base + line_control, divisor_access);
    out8(base + data, 1);                          // 115200
    out8(base + interrupt_enable, 0);
    out8(base + line_control, 3);                  // 8 bits, no parity, 1 stop bit
    out8(base + fifo_control, 7);                  // on, both cleared
    out8(base + modem_control, 3);                 // DTR, RTS
}

void serial_line(u16 base, std::string_view text)
{
    for (char const c : text)
        send(base, c);
    send(base, '\r');
    send(base, '\n');
}

} // namespace kennel::boot
