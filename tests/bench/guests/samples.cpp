// SPDX-License-Identifier: Apache-2.0
//
// See samples.hpp.
#include "tests/bench/guests/samples.hpp"
#include "tests/machine/guest/verdict.hpp"

namespace kennel::guest {

namespace {

class Line {
public:
    Line& text(char const* text)
    {
        while (*text && at_ + 1 < sizeof line_)
            line_[at_++] = *text++;
        line_[at_] = 0;
        return *this;
    }
    Line& number(u64 value)
    {
        char digits[22];
        char* first = digits + sizeof digits - 1;
        *first = 0;
        do
            *--first = static_cast<char>('0' + value % 10);
        while (value /= 10);
        *--first = ' ';
        return text(first);
    }
    void print() const { say(line_); }

private:
    char  line_[160];
    usize at_ = 0;
};

// Few and nearly in order: insertion is enough.
void sort(u64* values, u32 count)
{
    for (u32 i = 1; i < count; i++)
        for (u32 j = i; j > 0 && values[j] < values[j - 1]; j--) {
            u64 const above = values[j];
            values[j] = values[j - 1];
            values[j - 1] = above;
        }
}

} // namespace

u64 Samples::minimum() const
{
    u64 least = ~0ull;
    for (u32 i = 0; i < count_; i++)
        least = ticks_[i] < least ? ticks_[i] : least;
    return least;
}

void Samples::learn_overhead()
{
    for (u32 i = 0; i < 32; i++) {
        u64 const start = clock_now();
        asm volatile("");
        add(clock_now() - start);
    }
    overhead_ = minimum();
    count_ = 0;
}

void Samples::end(char const* name, u64 overhead)
{
    kennel_mark(mark_ + 1);
    if (count_ == 0)
        fail(name, 0, 1);
    sort(ticks_, count_);
    auto const above = [&](u64 ticks) { return ticks > overhead ? ticks - overhead : 0; };
    Line line;
    line.text("BENCH ").text(name).number(above(ticks_[0])).number(above(ticks_[count_ / 2])).number(count_).number(mark_).print();
    mark_ += 2;
    count_ = 0;
}

} // namespace kennel::guest
