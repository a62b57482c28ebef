// SPDX-License-Identifier: Apache-2.0
//
// The service's screen on framebuffers that are memory of exactly the size they claim.
#include "drivers/screen/screen.hpp"
#include "hv/lib/font.hpp"
#include <algorithm>
#include <doctest/doctest.h>
#include <memory>
#include <string>
#include <vector>

using namespace kennel;
using namespace kennel::service;

namespace {

constexpr u32 untouched = 0x1234'5678, black = 0, grey = 0xc0'c0c0;

struct Glass {
    u32 width, height, stride;
    std::vector<u32> pixels;

    Glass(u32 width, u32 height, u32 more = 0) : width{width}, height{height}, stride{width + more}, pixels(usize{stride} * height, untouched) {}

    abi::Framebuffer framebuffer()
    {
        return {reinterpret_cast<u64>(pixels.data()), pixels.size() * 4, width, height, stride, abi::PixelFormat::bgrx};
    }
    // The letter a cell shows, seen through its pixels; '\1': none there is.
    char letter(u32 row, u32 column, u32 scale, u32 ink, u32 ground) const
    {
        for (char c = font::first; c <= font::last; c++) {
            auto const glyph = font::glyph(c);
            bool same = true;
            for (u32 y = 0; y < 16 * scale && same; y++)
                for (u32 x = 0; x < 8 * scale && same; x++)
                    same = pixels[usize{row * 16 * scale + y} * stride + column * 8 * scale + x] == (glyph[y / scale] >> (7 - x / scale) & 1 ? ink : ground);
            if (same)
                return c;
        }
        return '\1';
    }
    std::string row(u32 row, u32 ink = grey, u32 ground = black, u32 scale = 1) const
    {
        std::string text;
        for (u32 column = 0; (column + 1) * 8 * scale <= width; column++)
            text += letter(row, column, scale, ink, ground);
        while (text.ends_with(' '))
            text.pop_back();
        return text;
    }
    bool margin_is_untouched() const
    {
        for (u32 y = 0; y < height; y++)
            for (u32 x = width; x < stride; x++)
                if (pixels[usize{y} * stride + x] != untouched)
                    return false;
        return true;
    }
};

struct Seat {
    Glass glass;
    std::unique_ptr<Screen> screen = std::make_unique<Screen>();

    explicit Seat(Glass made) : glass{std::move(made)} { screen->open(glass.framebuffer()); }
    void table(std::initializer_list<std::string_view> lines)
    {
        screen->begin_table(static_cast<u32>(lines.size()));
        for (auto const line : lines)
            screen->table_line(line);
    }
};

} // namespace

TEST_CASE("screen: lines from the top, a table at the bottom, its head inverse")
{
    Seat seat{{320, 16 * 8 + 5, 13}};                 // five pixels that hold no letter, thirteen that are no screen's
    CHECK(seat.screen->is_on());
    seat.screen->log_line("service 0 on 1 CPU");
    seat.screen->log_line("");
    seat.screen->log_line("drives: none");
    seat.table({"guest  state", "dog    running"});
    CHECK(seat.glass.row(0) == "service 0 on 1 CPU");
    CHECK(seat.glass.row(1) == "");
    CHECK(seat.glass.row(2) == "drives: none");
    CHECK(seat.glass.row(3) == "");
    CHECK(seat.glass.row(6, black, grey) == "guest  state");
    CHECK(seat.glass.row(7) == "dog    running");
    CHECK(seat.glass.margin_is_untouched());
    for (u32 x = 0; x < 320; x++)
        CHECK(seat.glass.pixels[(16 * 8 + 4) * 333 + x] == black);
    seat.table({"guest  state", "dog    ended"});
    CHECK(seat.glass.row(7) == "dog    ended");
}

TEST_CASE("screen: the log moves up by half its rows, and stays out of the table")
{
    Seat seat{{320, 16 * 8}};
    for (u32 i = 0; i < 6; i++)
        seat.screen->log_line(Text{"line ", i}.view());
    seat.table({"head", "dog", "cat"});                // takes a row that is written
    CHECK(seat.glass.row(0) == "line 4");
    CHECK(seat.glass.row(1) == "line 5");
    CHECK(seat.glass.row(2) == "");
    for (u32 i = 6; i < 9; i++)
        seat.screen->log_line(Text{"line ", i}.view());
    CHECK(seat.glass.row(4) == "line 8");
    CHECK(seat.glass.row(6) == "dog");
    seat.screen->log_line("line 9");
    CHECK(seat.glass.row(0) == "line 7");
    CHECK(seat.glass.row(1) == "line 8");
    CHECK(seat.glass.row(2) == "line 9");
    CHECK(seat.glass.row(3) == "");
    CHECK(seat.glass.row(4) == "");
    CHECK(seat.glass.row(6) == "dog");
}

TEST_CASE("screen: long lines go on in the next row, and what cannot be shown is a question mark")
{
    Seat seat{{10 * 8 + 3, 16 * 6}};
    seat.screen->log_line("0123456789abcdefghij");
    seat.screen->log_line("dog| \x1b[2J\x80\xff");
    CHECK(seat.glass.row(0) == "0123456789");
    CHECK(seat.glass.row(1) == "abcdefghij");
    CHECK(seat.glass.row(2) == "dog| ?[2J?");
    CHECK(seat.glass.row(3) == "?");
    seat.table({"head", "a name with \n in it"});
    CHECK(seat.glass.row(5) == "a name wit");
    seat.table({"head", "a\nb"});
    CHECK(seat.glass.row(5) == "a?b");
    seat.screen->log_line(std::string(400, 'x'));      // more than there is room for
    CHECK(seat.glass.row(5) == "a?b");
}

TEST_CASE("screen: more guests than half the screen holds are counted")
{
    Seat seat{{320, 16 * 7}};
    seat.table({"head", "a", "b", "c", "d"});
    CHECK(seat.glass.row(4, black, grey) == "head");
    CHECK(seat.glass.row(5) == "a");
    CHECK(seat.glass.row(6) == "and 3 more");
}

TEST_CASE("screen: a screen on which nothing fits, and none at all")
{
    for (auto const& [width, height] : {std::pair{7u, 100u}, {100u, 15u}, {1u, 1u}, {8u, 16u}, {8u, 32u}, {9u, 47u}}) {
        Seat seat{{width, height, 3}};
        CHECK(seat.screen->is_on() == (width >= 8 && height >= 16));
        seat.screen->log_line("a line that is longer");
        seat.table({"head", "dog"});
        seat.screen->log_line("z");
        CHECK(seat.glass.margin_is_untouched());
    }
    Seat one{{8, 16}};
    one.table({"head", "dog"});
    one.screen->log_line("yz");
    CHECK(one.glass.row(0) == "z");
    Screen none;
    none.open({});
    CHECK(!none.is_on());
    none.log_line("nobody sees it");
    none.begin_table(2);
    none.table_line("nor this");
    Glass glass{100, 100};
    auto broken = glass.framebuffer();
    broken.size--;
    none.open(broken);
    CHECK(!none.is_on());
}

TEST_CASE("screen: letters grow with the screen, and there are only so many")
{
    Seat seat{{2560, 1440}};
    seat.screen->log_line("large");
    CHECK(seat.glass.row(0, grey, black, 2) == "large");
    Seat wide{{5000, 719, 1}};
    wide.screen->log_line(std::string(241, 'w'));
    CHECK(wide.glass.letter(0, 239, 1, grey, black) == 'w');
    CHECK(wide.glass.letter(0, 240, 1, grey, black) == ' ');
    CHECK(wide.glass.letter(1, 0, 1, grey, black) == 'w');
}

TEST_CASE("screen: only letters that change are written")
{
    Seat seat{{320, 16 * 4}};
    seat.table({"head", "dog  12 %"});
    auto& pixels = seat.glass.pixels;
    std::ranges::fill(pixels, untouched);              // it remembers, and need not look
    seat.table({"head", "dog  13 %"});
    CHECK(seat.glass.letter(3, 6, 1, grey, black) == '3');
    CHECK(std::ranges::count(pixels, untouched) == 320 * 64 - 8 * 16);
    seat.table({"head", "dog  13 %"});
    CHECK(std::ranges::count(pixels, untouched) == 320 * 64 - 8 * 16);
}

TEST_CASE("screen: the log's lines since the last look, whoever said them")
{
    Seat seat{{320, 16 * 4}};
    auto const history = std::make_unique<History>();
    history->add("one");
    seat.screen->show_log(*history);
    history->add("two\x1b");
    history->add("three");
    seat.screen->show_log(*history);
    seat.screen->show_log(*history);
    CHECK(seat.glass.row(0) == "one");
    CHECK(seat.glass.row(1) == "two?");
    CHECK(seat.glass.row(2) == "three");
    CHECK(seat.glass.row(3) == "");
}
