// SPDX-License-Identifier: Apache-2.0
//
// hv's log: one line at a time to the log port. And the panic, for broken invariants of ours and nothing else.
// log_line("cpu ", 3, " tsc ", Hex{x}): words and numbers, no format strings.
#pragma once
#include "hv/lib/types.hpp"
#include <concepts>
#include <span>
#include <string_view>

namespace kennel {

struct Hex { u64 value; };

// A line under construction, of bounded length; what does not fit is cut.
class Line {
public:
    void add(std::string_view text);
    void add(Hex number) { add("0x"), add_number(number.value, 16); }
    void add(std::unsigned_integral auto number) { add_number(number, 10); }
    std::string_view text() const { return {text_, length_}; }

private:
    void  add_number(u64 number, u32 base);
    char  text_[200];
    usize length_ = 0;
};

void log_text(std::string_view text);          // as it stands, under the log's lock
void log_emergency(std::string_view text);     // without the lock: for a panic

template<class... T> void log_line(T const&... parts)
{
    Line line;
    line.add("hv: ");
    (line.add(parts), ...);
    line.add("\n");
    log_text(line.text());
}

// A broken invariant of ours: say what and where, show the stack, stop the machine.
[[noreturn]] void panic(char const* what, u64 value = 0);

} // namespace kennel
