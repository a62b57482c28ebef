// SPDX-License-Identifier: Apache-2.0
//
// A line of text under construction, of bounded length; what does not fit is cut. Text{"guest ", name, " rip ", Hex{rip}}.
#pragma once
#include "hv/lib/types.hpp"
#include <concepts>
#include <string_view>

namespace kennel::service {

struct Hex { u64 value; };

class Text {
public:
    template<class... T> explicit Text(T const&... parts) { (add(parts), ...); }

    template<class First, class Second, class... More> void add(First const& first, Second const& second, More const&... more)
    {
        add(first);
        add(second);
        (add(more), ...);
    }
    void add(std::string_view text)
    {
        for (char const c : text)
            if (length_ < sizeof text_)
                text_[length_++] = c;
    }
    void add(Hex number)
    {
        add("0x");
        unsigned shift = 60;
        while (shift && !(number.value >> shift))
            shift -= 4;
        for (;; shift -= 4) {
            char const digit = "0123456789abcdef"[(number.value >> shift) & 15];
            add(std::string_view{&digit, 1});
            if (shift == 0)
                return;
        }
    }
    void add(std::unsigned_integral auto number)
    {
        char digits[20];
        usize at = sizeof digits;
        u64 rest = number;
        do
            digits[--at] = static_cast<char>('0' + rest % 10);
        while (rest /= 10);
        add(std::string_view{digits + at, sizeof digits - at});
    }

    std::string_view view() const { return {text_, length_}; }

private:
    char  text_[400];
    usize length_ = 0;
};

} // namespace kennel::service
