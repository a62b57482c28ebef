// SPDX-License-Identifier: Apache-2.0
//
// The panic screen over a framebuffer of memory, whose pixels that are not the screen's must stay as they are.
#include "hv/lib/text_screen.hpp"
#include <algorithm>
#include <doctest/doctest.h>
#include <string>
#include <string_view>
#include <vector>

using namespace kennel;

namespace {

constexpr u32 untouched = 0x5a5a'5a5a, margin = 64;   // pixels before and behind the framebuffer

struct Memory {
    Memory(u32 width, u32 height, u32 stride) : shape{0, u64{4} * stride * height, width, height, stride, abi::PixelFormat::bgrx}, pixels(margin + usize{stride} * height + margin, untouched) {}

    TextScreen screen() { return {pixels.data() + margin, shape}; }
    void show(std::string_view text)
    {
        auto drawn = screen();
        drawn.clear();
        for (char const letter : text)
            drawn.put(letter);
    }
    u32 at(u32 x, u32 y) const { return pixels[margin + usize{y} * shape.stride + x]; }
    // The letter of this cell; '#': no letter's pixels.
    char letter(u32 column, u32 row) const
    {
        for (char c = font::first; c <= font::last; c++) {
            auto const glyph = font::glyph(c);
            bool same = true;
            for (u32 y = 0; y < font::height; y++)
                for (u32 x = 0; x < font::width; x++)
                    same = same && at(column * font::width + x, row * font::height + y) == (glyph[y] & (0x80u >> x) ? 0xff'ffff : 0);
            if (same)
                return c;
        }
        return '#';
    }
    std::string row(u32 number) const
    {
        std::string text;
        for (u32 column = 0; column < shape.width / font::width; column++)
            text += letter(column, number);
        return text;
    }
    bool only_the_screen_was_written() const
    {
        for (usize i = 0; i < pixels.size(); i++) {
            bool const inside = i >= margin && i < pixels.size() - margin && (i - margin) % shape.stride < shape.width;
            if (!inside && pixels[i] != untouched)
                return false;
        }
        return true;
    }

    abi::Framebuffer shape;
    std::vector<u32> pixels;
};

} // namespace

TEST_CASE("text screen: letters land as their glyphs' pixels, lines below each other")
{
    Memory memory{80, 48, 80};
    memory.show("PANIC at 0\nwhat?\n\nlost");
    CHECK(memory.row(0) == "PANIC at 0");
    CHECK(memory.row(1) == "what?     ");
    CHECK(memory.row(2) == "          ");
    CHECK(memory.only_the_screen_was_written());
}

TEST_CASE("text screen: a long line goes on in the next, and a full one is ended by its newline only once")
{
    Memory memory{32, 64, 40};
    memory.show("abcdefgh\nij");
    CHECK(memory.row(0) == "abcd");
    CHECK(memory.row(1) == "efgh");
    CHECK(memory.row(2) == "ij  ");
    CHECK(memory.row(3) == "    ");
    CHECK(memory.only_the_screen_was_written());
}

TEST_CASE("text screen: without clearing, a line wipes its row and leaves the others")
{
    Memory memory{40, 64, 43};
    std::ranges::fill(memory.pixels, untouched);
    auto screen = memory.screen();
    for (char const letter : std::string_view{"hv: \nx\n"})
        screen.put(letter);
    CHECK(memory.row(0) == "hv:  ");
    CHECK(memory.row(1) == "x    ");
    for (u32 y = 32; y < 64; y++)
        for (u32 x = 0; x < 40; x++)
            REQUIRE(memory.at(x, y) == untouched);
    CHECK(memory.only_the_screen_was_written());
}

TEST_CASE("text screen: what was there before is gone, up to the last pixel")
{
    Memory memory{37, 41, 43};
    memory.show("");
    for (u32 y = 0; y < 41; y++)
        for (u32 x = 0; x < 37; x++)
            REQUIRE(memory.at(x, y) == 0);
    CHECK(memory.only_the_screen_was_written());
}

TEST_CASE("text screen: nothing is written beside the framebuffer, whatever its shape and the text")
{
    std::string text;
    for (int c = 0; c < 256; c++)
        text.append(3, static_cast<char>(c));
    for (u32 width : {0u, 1u, 7u, 8u, 9u, 15u, 16u, 63u, 64u})
        for (u32 height : {0u, 1u, 15u, 16u, 17u, 31u, 32u, 100u})
            for (u32 beyond : {0u, 1u, 7u, 24u}) {
                CAPTURE(width);
                CAPTURE(height);
                CAPTURE(beyond);
                if (width + beyond == 0)
                    continue;
                Memory memory{width, height, width + beyond};
                memory.show(text);
                CHECK(memory.only_the_screen_was_written());
            }
}

TEST_CASE("text screen: a machine without one draws nothing")
{
    TextScreen screen;
    screen.clear();
    for (char const letter : std::string_view{"PANIC\n"})
        screen.put(letter);
}
