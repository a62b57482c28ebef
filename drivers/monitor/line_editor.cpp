// SPDX-License-Identifier: Apache-2.0
//
// See line_editor.hpp.
#include "drivers/monitor/line_editor.hpp"
#include <algorithm>

namespace kennel::service {

namespace {

constexpr u8 control(char letter) { return static_cast<u8>(letter - 'A' + 1); }
constexpr u8 escape = 0x1b, rubout = 0x7f;

} // namespace

void LineEditor::show(ByteRing& echo) const
{
    put(echo, "\r\x1b[K");
    put(echo, prompt);
    put(echo, {current_.text, current_.size});
    for (u32 i = cursor_; i < current_.size; i++)
        put(echo, "\b");
}

LineEditor::Outcome LineEditor::feed(u8 byte, ByteRing& echo)
{
    switch (state_) {
    case State::plain:
        break;
    case State::escape:
        state_ = byte == '[' || byte == 'O' ? State::sequence : State::plain;
        parameter_ = 0;
        return Outcome::none;
    case State::sequence:
        if (byte >= '0' && byte <= '9') {
            if (parameter_ == 0)
                parameter_ = byte;
        } else if (byte >= '@' && byte <= '~') {
            state_ = State::plain;
            sequence_ended(byte, echo);
        } else if (byte < ' ' || byte > '?') {        // no sequence after all
            state_ = State::plain;
        }
        return Outcome::none;
    }
    return key(byte, echo);
}

LineEditor::Outcome LineEditor::key(u8 byte, ByteRing& echo)
{
    switch (byte) {
    case '\r':
    case '\n':
        entered_ = current_;
        remember();
        current_.size = cursor_ = age_ = 0;
        put(echo, "\r\n");
        return Outcome::line;
    case escape:
        state_ = State::escape;
        break;
    case rubout:
    case control('H'):
        if (cursor_ > 0)
            erase(cursor_ - 1, cursor_, echo);
        break;
    case control('D'):
        if (current_.size == 0)
            return Outcome::leave;
        if (cursor_ < current_.size)
            erase(cursor_, cursor_ + 1, echo);
        break;
    case control('A'): move(0, echo); break;
    case control('E'): move(current_.size, echo); break;
    case control('B'): move(cursor_ - (cursor_ > 0), echo); break;
    case control('F'): move(cursor_ + (cursor_ < current_.size), echo); break;
    case control('K'): erase(cursor_, current_.size, echo); break;
    case control('U'): erase(0, cursor_, echo); break;
    case control('P'): recall(age_ + 1, echo); break;
    case control('N'): recall(age_ - (age_ > 0), echo); break;
    case control('L'): show(echo); break;
    case control('W'): {
        u32 from = cursor_;
        while (from > 0 && current_.text[from - 1] == ' ')
            from--;
        while (from > 0 && current_.text[from - 1] != ' ')
            from--;
        erase(from, cursor_, echo);
        break;
    }
    case control('C'):
        current_.size = cursor_ = age_ = 0;
        put(echo, "^C\r\n");
        show(echo);
        break;
    default:
        if (byte >= ' ' && byte < rubout)
            insert(static_cast<char>(byte), echo);
    }
    return Outcome::none;
}

void LineEditor::sequence_ended(u8 byte, ByteRing& echo)
{
    switch (byte) {
    case 'A': recall(age_ + 1, echo); break;
    case 'B': recall(age_ - (age_ > 0), echo); break;
    case 'C': move(cursor_ + (cursor_ < current_.size), echo); break;
    case 'D': move(cursor_ - (cursor_ > 0), echo); break;
    case 'H': move(0, echo); break;
    case 'F': move(current_.size, echo); break;
    case '~':
        if (parameter_ == '1' || parameter_ == '7')
            move(0, echo);
        else if (parameter_ == '4' || parameter_ == '8')
            move(current_.size, echo);
        else if (parameter_ == '3' && cursor_ < current_.size)
            erase(cursor_, cursor_ + 1, echo);
        break;
    }
}

void LineEditor::insert(char c, ByteRing& echo)
{
    if (current_.size == longest)
        return;
    std::copy_backward(current_.text + cursor_, current_.text + current_.size, current_.text + current_.size + 1);
    current_.text[cursor_++] = c;
    current_.size++;
    if (cursor_ == current_.size)
        put(echo, {&c, 1});
    else
        show(echo);
}

void LineEditor::erase(u32 from, u32 to, ByteRing& echo)
{
    bool const last = to == current_.size && to == cursor_ && to - from == 1;
    std::copy(current_.text + to, current_.text + current_.size, current_.text + from);
    current_.size -= to - from;
    cursor_ = from;
    if (last)
        put(echo, "\b \b");
    else
        show(echo);
}

void LineEditor::move(u32 to, ByteRing& echo)
{
    cursor_ = to;
    show(echo);
}

void LineEditor::recall(u32 age, ByteRing& echo)
{
    if (age > history_size_)
        return;
    age_ = age;
    current_ = age == 0 ? Line{} : history_[age - 1];
    cursor_ = current_.size;
    show(echo);
}

// Not twice in a row, and no empty ones.
void LineEditor::remember()
{
    if (entered_.size == 0 || (history_size_ > 0 && std::string_view{history_[0].text, history_[0].size} == line()))
        return;
    history_size_ = std::min(history_size_ + 1, remembered);
    std::copy_backward(history_, history_ + history_size_ - 1, history_ + history_size_);
    history_[0] = entered_;
}

} // namespace kennel::service
