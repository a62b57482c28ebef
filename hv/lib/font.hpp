// SPDX-License-Identifier: Apache-2.0
//
// The letters of the panic screen: ASCII 32 to 126, 8 pixels wide, 16 high. The glyphs are a table made at build time
// from a Debian console font (tools/pack); link kennel_font to see it.
#pragma once
#include "hv/lib/types.hpp"
#include <font_glyphs.hpp>
#include <span>

namespace kennel::font {

inline constexpr u32 width = 8, height = 16;          // pixels
inline constexpr char first = ' ', last = '~';

// One byte per row, from the top; the highest bit is the leftmost pixel. What has no glyph looks like '?'.
constexpr std::span<u8 const, height> glyph(char letter)
{
    char const shown = letter >= first && letter <= last ? letter : '?';
    return std::span<u8 const, height>{glyphs[shown - first]};
}

} // namespace kennel::font
