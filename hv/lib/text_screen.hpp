// SPDX-License-Identifier: Apache-2.0
//
// Text on a framebuffer: from the top, white on black, wrapped at the right; what is below the last row is not shown. The end of a line
// wipes what somebody else left behind it.
#pragma once
#include "hv/abi/boot_info.hpp"
#include "hv/lib/font.hpp"

namespace kennel {

class TextScreen {
public:
    constexpr TextScreen() = default;                // no screen: nothing is drawn
    // `pixels`: a framebuffer of that shape, mapped for as long as this lives.
    constexpr TextScreen(volatile u32* pixels, abi::Framebuffer const& shape) : pixels_{pixels}, width_{shape.width}, height_{shape.height}, stride_{shape.stride} {}

    void clear()
    {
        row_ = column_ = 0;
        for (u32 y = 0; y < height_; y++)
            for (u32 x = 0; x < width_; x++)
                pixels_[u64{y} * stride_ + x] = black;
    }

    void put(char letter)
    {
        bool const ends_line = letter == '\n';
        while (ends_line && column_ < width_ / font::width && row_ < height_ / font::height)
            put(' ');
        if (ends_line || column_ == width_ / font::width)
            column_ = 0, row_++;
        if (ends_line || row_ >= height_ / font::height || width_ < font::width)
            return;
        volatile u32* const at = pixels_ + u64{row_} * font::height * stride_ + column_++ * font::width;
        auto const glyph = font::glyph(letter);
        for (u32 y = 0; y < font::height; y++)
            for (u32 x = 0; x < font::width; x++)
                at[u64{y} * stride_ + x] = glyph[y] & (0x80u >> x) ? white : black;
    }

private:
    static constexpr u32 black = 0, white = 0xff'ffff;   // the same in both pixel formats
    volatile u32* pixels_ = nullptr;
    u32 width_ = 0, height_ = 0, stride_ = 0;            // pixels
    u32 row_ = 0, column_ = 0;                           // of the next letter
};

} // namespace kennel
