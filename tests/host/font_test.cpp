// SPDX-License-Identifier: Apache-2.0
#include "hv/lib/font.hpp"
#include <algorithm>
#include <doctest/doctest.h>

using namespace kennel;

TEST_CASE("font: every printable character has a glyph, and no two look the same")
{
    for (char a = font::first; a <= font::last; a++) {
        auto const glyph = font::glyph(a);
        CHECK(std::ranges::any_of(glyph, [](u8 row) { return row != 0; }) == (a != ' '));
        for (char b = font::first; b < a; b++)
            CHECK_FALSE(std::ranges::equal(glyph, font::glyph(b)));
    }
}

TEST_CASE("font: what cannot be shown looks like a question mark")
{
    for (int c : {0, 31, 127, 128, 255})
        CHECK(font::glyph(static_cast<char>(c)).data() == font::glyph('?').data());
}
