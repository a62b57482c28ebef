// SPDX-License-Identifier: Apache-2.0
//
// The log port: a 16550, polled. And the screen, which is hv's again when it panics. NS16550D data sheet.
#include "arch/x86/host.hpp"
#include "arch/x86/instructions.hpp"
#include "hv/lib/font.hpp"
#include "hv/log.hpp"

namespace kennel::arch {

namespace {

u16  port = 0;
bool until_service = false, silent = false, panicking = false;

// The panic screen: text from the top, white on black.
struct Screen { volatile u32* pixels = nullptr; u32 width = 0, height = 0, stride = 0, x = 0, y = 0; };
Screen screen;

void put(char c)
{
    // A port that never gets ready must not stop the hypervisor: what does not go out is lost.
    for (unsigned spin = 0; spin < 100'000 && !(in8(port + 5) & 0x20); spin++)
        pause();
    out8(port, static_cast<u8>(c));
}

void draw(char c)
{
    if (c == '\n' || screen.x + 8 > screen.width)
        screen.x = 0, screen.y += 16;
    if (screen.y + 16 > screen.height || c < ' ' || c > '~')
        return;
    auto const& glyph = font::glyph(c);
    for (u32 row = 0; row < 16; row++)
        for (u32 column = 0; column < 8; column++)
            screen.pixels[(screen.y + row) * screen.stride + screen.x + column] = glyph[row] & (0x80u >> column) ? 0xff'ffff : 0;
    screen.x += 8;
}

} // namespace

void setup_log(Machine& machine)
{
    port = machine.boot->log_port;
    until_service = machine.boot->log_until_service;
    if (!port)
        return;
    // No interrupts; divisor 1, 115200 baud; 8n1; FIFOs on and empty; DTR, RTS.
    constexpr struct { u8 at, value; } registers[] = {{1, 0}, {3, 0x80}, {0, 1}, {1, 0}, {3, 3}, {2, 7}, {4, 3}};
    for (auto const [at, value] : registers)
        out8(static_cast<u16>(port + at), value);
    abi::Framebuffer const& fb = machine.boot->screen;
    if (fb.format != abi::PixelFormat::none && fb.size >= u64{fb.stride} * fb.height * 4 && fb.width <= fb.stride)
        screen = {static_cast<volatile u32*>(host_paging().map_device({fb.base}, fb.size)), fb.width, fb.height, fb.stride, 0, 0};
}

void finish_log()
{
    if (port && !silent)
        for (unsigned spin = 0; spin < 100'000 && !(in8(port + 5) & 0x40); spin++)   // until the last bit has left
            pause();
}

void service_takes_over_log() { silent = until_service; }

void screen_for_panic(Machine&)
{
    silent = false;
    if (!screen.pixels)
        return;
    for (u32 y = 0; y < screen.height; y++)
        for (u32 x = 0; x < screen.width; x++)
            screen.pixels[y * screen.stride + x] = 0;
    screen.x = screen.y = 0;
    panicking = true;
}

void log_bytes(char const* text, usize length)
{
    if (panicking && screen.pixels)
        for (usize i = 0; i < length; i++)
            draw(text[i]);
    if (!port || silent)
        return;
    for (usize i = 0; i < length; i++) {
        if (text[i] == '\n')
            put('\r');
        put(text[i]);
    }
}

} // namespace kennel::arch
