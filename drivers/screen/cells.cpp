// SPDX-License-Identifier: Apache-2.0
//
// See cells.hpp. The loader has checked the framebuffer's bounds (boot/framebuffer.cpp), and hv maps it write-combining: the
// writes leave the processor at the next locked instruction or exit at the latest, and there is one for each event.
#include "drivers/screen/cells.hpp"
#include "hv/lib/font.hpp"
#include <algorithm>

namespace kennel::service {

void Cells::open(abi::Framebuffer const& framebuffer)
{
    columns_ = rows_ = 0;
    if (!framebuffer.fits())
        return;
    // Letters of 8 x 16 are hard to read on screens much larger than those they were drawn for.
    scale_ = std::max(1u, std::min(framebuffer.width / 1280, framebuffer.height / 720));
    pixels_ = reinterpret_cast<volatile u32*>(framebuffer.base);
    stride_ = framebuffer.stride;
    columns_ = std::min(framebuffer.width / (font::width * scale_), most_columns);
    rows_ = columns_ ? std::min(framebuffer.height / (font::height * scale_), most_rows) : 0;
    for (auto& row : cells_)
        std::fill_n(row, most_columns, static_cast<u8>(' '));
    for (u32 y = 0; y < framebuffer.height; y++)
        for (u32 x = 0; x < framebuffer.width; x++)
            pixels_[u64{y} * stride_ + x] = 0;
}

void Cells::write(u32 row, std::string_view text, Ink ink)
{
    if (row >= rows_)
        return;
    for (u32 column = 0; column < columns_; column++) {
        char const c = column < text.size() ? text[column] : ' ';
        bool const known = c >= font::first && c <= font::last;
        show(row, column, static_cast<u8>((known ? c : '?') | (ink == Ink::inverse ? inverse : 0)));
    }
}

void Cells::scroll(u32 first, u32 end, u32 lines)
{
    end = std::min(end, rows_);
    for (u32 row = first; row < end; row++)
        for (u32 column = 0; column < columns_; column++)
            show(row, column, lines < end - row ? cells_[row + lines][column] : static_cast<u8>(' '));
}

void Cells::show(u32 row, u32 column, u8 cell)
{
    if (cells_[row][column] == cell)
        return;
    cells_[row][column] = cell;
    draw(row, column, cell);
}

void Cells::draw(u32 row, u32 column, u8 cell)
{
    constexpr u32 black = 0, grey = 0xc0'c0c0;        // the same in either order of the colours
    bool const turned = cell & inverse;
    auto const glyph = font::glyph(static_cast<char>(cell & ~inverse));
    volatile u32* line = pixels_ + u64{row} * font::height * scale_ * stride_ + column * font::width * scale_;
    for (u32 y = 0; y < font::height * scale_; y++, line += stride_) {
        u32 const bits = glyph[y / scale_];
        for (u32 x = 0; x < font::width * scale_; x++)
            line[x] = ((bits << (x / scale_) & 0x80) != 0) != turned ? grey : black;
    }
}

} // namespace kennel::service
