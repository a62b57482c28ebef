// SPDX-License-Identifier: Apache-2.0
//
// See screen.hpp.
#include "boot/screen.hpp"
#include "boot/serial.hpp"

namespace kennel::boot {

namespace {

constexpr EFI_GUID global_variables{0x8be4df61, 0x93ca, 0x11d2, {0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c}};

// UEFI specification, "UART Device Path": a console on a serial port has such a node on its path.
bool console_has_uart(EFI_SYSTEM_TABLE const& system)
{
    static constinit u8 path[2048];
    constexpr usize node_header = 4;
    constexpr u8 type_messaging = 3, subtype_uart = 14;
    WideText<6> name("ConOut");
    EFI_GUID guid = global_variables;
    UINTN size = sizeof path;
    if (system.RuntimeServices->GetVariable(name.characters, &guid, nullptr, &size, path) != EFI_SUCCESS || size > sizeof path)
        return false;
    for (usize at = 0; at + node_header <= size;) {
        usize const length = path[at + 2] | usize{path[at + 3]} << 8;
        if (path[at] == type_messaging && path[at + 1] == subtype_uart)
            return true;
        if (length < node_header)
            return false;
        at += length;
    }
    return false;
}

} // namespace

Screen::Screen(Firmware const& firmware) : console_(firmware.system().ConOut)
{
    mirrored_ = console_has_uart(firmware.system());
    own_port_ = !mirrored_ && serial_present(console_port_base);
    if (own_port_)
        serial_start(console_port_base);
}

void Screen::print(Line const& line)
{
    if (own_port_ || (console_ == nullptr && mirrored_))
        serial_line(console_port_base, line.text());
    if (console_ == nullptr)
        return;
    WideText<256> wide(line.text(), "\r\n");
    console_->OutputString(console_, wide.characters);
}

} // namespace kennel::boot
