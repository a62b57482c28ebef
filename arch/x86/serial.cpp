// SPDX-License-Identifier: Apache-2.0
//
// The log port: a 16550, polled. And the screen, until the service starts and in a panic. NS16550D data sheet.
#include "arch/x86/host.hpp"
#include "arch/x86/instructions.hpp"
#include "hv/lib/text_screen.hpp"
#include "hv/log.hpp"

namespace kennel::arch {

namespace {

u16  port = 0;
bool until_service = false, silent = false, drawing = true;
TextScreen screen;

void put(char c)
{
    // A port that never gets ready must not stop the hypervisor: what does not go out is lost.
    for (unsigned spin = 0; spin < 100'000 && !(in8(port + 5) & 0x20); spin++)
        pause();
    out8(port, static_cast<u8>(c));
}

} // namespace

void setup_log(Machine& machine)
{
    abi::Framebuffer const& fb = machine.boot->screen;
    if (fb.fits())
        screen = {static_cast<volatile u32*>(host_paging().map_device({fb.base}, fb.size)), fb};
    port = machine.boot->log_port;
    until_service = machine.boot->log_until_service;
    if (!port)
        return;
    // No interrupts; divisor 1, 115200 baud; 8n1; FIFOs on and empty; DTR, RTS.
    constexpr struct { u8 at, value; } registers[] = {{1, 0}, {3, 0x80}, {0, 1}, {1, 0}, {3, 3}, {2, 7}, {4, 3}};
    for (auto const [at, value] : registers)
        out8(static_cast<u16>(port + at), value);
}

void finish_log()
{
    if (port && !silent)
        for (unsigned spin = 0; spin < 100'000 && !(in8(port + 5) & 0x40); spin++)   // until the last bit has left
            pause();
}

void service_takes_over_log() { silent = until_service, drawing = false; }

void speak_in_panic()
{
    silent = false, drawing = true;
    screen.clear();
}

void log_bytes(char const* text, usize length)
{
    for (usize i = 0; drawing && i < length; i++)
        screen.put(text[i]);
    for (usize i = 0; port && !silent && i < length; i++) {
        if (text[i] == '\n')
            put('\r');
        put(text[i]);
    }
}

} // namespace kennel::arch
