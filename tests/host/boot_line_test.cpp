// SPDX-License-Identifier: Apache-2.0
#include "boot/calendar.hpp"
#include "boot/line.hpp"
#include <doctest/doctest.h>
#include <string>

using namespace kennel;
using namespace kennel::boot;

namespace {

template <typename... Parts> std::string text(Parts const&... parts) { return std::string(Line(parts...).text()); }

} // namespace

TEST_CASE("line: numbers in the forms the loader prints")
{
    CHECK(text(u64{0}, " ", ~u64{0}) == "0 18446744073709551615");
    CHECK(text(Hex{0}, " ", Hex{0xfee0'0000}, " ", Hex{~u64{0}}) == "0x0 0xfee00000 0xffffffffffffffff");
    CHECK(text(Size{0}, ", ", Size{1}, ", ", Size{4096}, ", ", Size{3u << 20}, ", ", Size{u64{5} << 40}) == "0 bytes, 1 bytes, 4 KiB, 3 MiB, 5120 GiB");
    CHECK(text(Hertz{3'500'000'000}, ", ", Hertz{99'999'999}, ", ", Hertz{1'001'000}) == "3500.000 MHz, 99.999 MHz, 1.001 MHz");
    CHECK(text(TwoDigits{7}, ":", TwoDigits{0}, ":", TwoDigits{123}) == "07:00:123");
}

TEST_CASE("line: too long is cut, unprintable is replaced")
{
    CHECK(text(std::string(500, 'a').c_str()).size() == 240);
    CHECK(text("a\nb\x1b") == "a?b?");
}

TEST_CASE("calendar: what is no date is none")
{
    CHECK_FALSE(seconds_since_1970({2024, 0, 1, 0, 0, 0, 0}));
    CHECK_FALSE(seconds_since_1970({2024, 13, 1, 0, 0, 0, 0}));
    CHECK_FALSE(seconds_since_1970({2024, 1, 32, 0, 0, 0, 0}));
    CHECK_FALSE(seconds_since_1970({2024, 1, 1, 24, 0, 0, 0}));
    CHECK_FALSE(seconds_since_1970({1969, 12, 31, 23, 59, 59, 0}));
    CHECK_FALSE(seconds_since_1970({1970, 1, 1, 0, 0, 0, -60}));
    CHECK(*seconds_since_1970({1970, 1, 1, 1, 0, 0, -60}) == 0);
}
