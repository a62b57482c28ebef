// SPDX-License-Identifier: Apache-2.0
//
// See log.hpp. The sink is the architecture's: a 16550, and the screen while it is hv's.
#include "hv/log.hpp"
#include "hv/arch.hpp"
#include "hv/lock.hpp"

namespace kennel {

namespace {

struct Sink { void write(std::string_view text) { arch::log_bytes(text.data(), text.size()); } };
constinit Locked<Sink, Rank::log> sink;        // the one log port of the machine

} // namespace

void Line::add(std::string_view text)
{
    for (char c : text)
        if (length_ < sizeof(text_) - 1 || (c == '\n' && length_ < sizeof(text_)))
            text_[length_++] = c;
}

void Line::add_number(u64 number, u32 base)
{
    char digits[20];
    usize count = 0;
    do {
        digits[count++] = "0123456789abcdef"[number % base];
        number /= base;
    } while (number);
    while (count)
        add(std::string_view{&digits[--count], 1});
}

void log_text(std::string_view text) { sink.lock()->write(text); }
void log_emergency(std::string_view text) { arch::log_bytes(text.data(), text.size()); }

} // namespace kennel
