// SPDX-License-Identifier: Apache-2.0
//
// One line of text, composed part by part into a fixed buffer: what every report of the loader is made of.
// A line that does not fit is cut, never overrun. Pure; Screen prints it.
#pragma once
#include "hv/lib/types.hpp"
#include <string_view>

namespace kennel::boot {

struct Hex       { u64 value; };   // 0x1f
struct Size      { u64 bytes; };   // 4 KiB, 37 MiB: the largest unit that loses nothing
struct Hertz     { u64 value; };   // 3500.000 MHz
struct TwoDigits { u64 value; };   // 07

class Line {
public:
    template <typename... Parts> explicit Line(Parts const&... parts) { (add(parts), ...); }

    std::string_view text() const { return {text_, length_}; }

    void add(std::string_view part)
    {
        for (char const c : part)
            put(c);
    }
    void add(char const* part) { add(std::string_view(part)); }
    void add(u32 value) { decimal(value, 1); }
    void add(u64 value) { decimal(value, 1); }
    void add(Hex hex)
    {
        add("0x");
        int shift = 60;
        while (shift > 0 && (hex.value >> shift) == 0)
            shift -= 4;
        for (; shift >= 0; shift -= 4)
            put("0123456789abcdef"[(hex.value >> shift) & 15]);
    }
    void add(Size size)
    {
        constexpr char const* units[] = {" bytes", " KiB", " MiB", " GiB"};
        u32 unit = 0;
        while (unit < 3 && size.bytes >= 1024 && size.bytes % 1024 == 0) {
            size.bytes /= 1024;
            unit++;
        }
        add(size.bytes);
        add(units[unit]);
    }
    void add(TwoDigits number) { decimal(number.value, 2); }
    void add(Hertz rate)
    {
        add(rate.value / 1'000'000);
        put('.');
        decimal(rate.value / 1000 % 1000, 3);
        add(" MHz");
    }

private:
    void put(char c)
    {
        if (length_ < sizeof text_)
            text_[length_++] = c >= ' ' && c <= '~' ? c : '?';
    }

    void decimal(u64 value, u32 least_digits)   // at most 20 of them
    {
        char digits[20];
        u32 count = 0;
        do {
            digits[count++] = static_cast<char>('0' + value % 10);
            value /= 10;
        } while (value != 0 || count < least_digits);
        while (count > 0)
            put(digits[--count]);
    }

    char  text_[240];
    usize length_ = 0;
};

} // namespace kennel::boot
