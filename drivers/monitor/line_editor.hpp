// SPDX-License-Identifier: Apache-2.0
//
// A line under a person's hands: keys in, the line and its echo out. Pure, and every byte is allowed: the keys come from whoever
// holds the other end of the serial line. Keys: ECMA-48 cursor sequences, and what a Unix shell understands.
#pragma once
#include "drivers/console/ring.hpp"
#include <string_view>

namespace kennel::service {

class LineEditor {
public:
    static constexpr u32 longest = 96, remembered = 8;
    static constexpr std::string_view prompt = "kennel> ";

    enum class Outcome : u8 { none, line, leave };    // leave: Ctrl-D on an empty line
    Outcome feed(u8 byte, ByteRing& echo);

    // What was entered last.
    std::string_view line() const { return {entered_.text, entered_.size}; }
    // The prompt and the unfinished line, on a line of their own.
    void show(ByteRing& echo) const;

private:
    struct Line { char text[longest] = {}; u32 size = 0; };
    enum class State : u8 { plain, escape, sequence };

    Outcome key(u8 byte, ByteRing& echo);
    void sequence_ended(u8 byte, ByteRing& echo);
    void insert(char c, ByteRing& echo);
    void erase(u32 from, u32 to, ByteRing& echo);     // and the cursor is at `from`
    void move(u32 to, ByteRing& echo);
    void recall(u32 age, ByteRing& echo);             // 0: the line before any was recalled is gone; 1: the last entered
    void remember();

    Line  current_, entered_, history_[remembered];
    u32   cursor_ = 0, history_size_ = 0, age_ = 0;
    State state_ = State::plain;
    u8    parameter_ = 0;                             // of a sequence: its first digit
};

// Text, as far as there is room.
inline void put(ByteRing& ring, std::string_view text)
{
    for (char const c : text)
        ring.push(static_cast<u8>(c));
}

} // namespace kennel::service
