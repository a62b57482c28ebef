// SPDX-License-Identifier: Apache-2.0
//
// See console.hpp.
#include "drivers/console/console.hpp"

namespace kennel::service {

void Console::open(u16 port, u64 tsc_hz)
{
    port_.open(port, tsc_hz);
    open_ = true;
    for (char const c : std::string_view{"\x1ekennel-console\n"})
        if (port_.wait_to_send())
            port_.send(static_cast<u8>(c));
}

void Console::add(Terminal const& terminal)
{
    if (count_ < abi::max_guests)
        terminals_[count_++] = terminal;
}

void Console::attach(u32 number)
{
    if (number < count_)
        attached_ = number;
}

void Console::stage(std::string_view text)
{
    for (char const c : text)
        if (staged_end_ < sizeof staged_)
            staged_[staged_end_++] = c;
}

// A line of its own may begin with this terminal's bytes: the attached one is shown at once, others by whole lines.
bool Console::presentable(u32 number) const
{
    ByteRing const& ring = *terminals_[number].output;
    u32 const size = ring.size();
    if (size == 0)
        return false;
    if (number == attached_ || flushing_ || size >= long_line)
        return true;
    for (u32 i = 0; i < size; i++)
        if (ring.peek(i) == '\n')
            return true;
    return false;
}

u32 Console::choose() const
{
    // A line that was begun goes on; between lines everybody gets a turn.
    if (!line_start_ && owner_ != no_terminal && !terminals_[owner_].output->empty())
        return owner_;
    u32 const first = owner_ == no_terminal ? 0 : owner_ + 1;
    for (u32 i = 0; i < count_; i++)
        if (u32 const number = (first + i) % count_; presentable(number))
            return number;
    return no_terminal;
}

std::optional<u8> Console::next(Changes& changes)
{
    if (count_ == 1) [[likely]] {
        ByteRing& ring = *terminals_[0].output;
        if (ring.empty())
            return std::nullopt;
        changes.room = 1;
        return ring.pop();
    }
    for (;;) {
        if (staged_at_ < staged_end_)
            return static_cast<u8>(staged_[staged_at_++]);
        staged_at_ = staged_end_ = 0;
        u32 const number = choose();
        if (number == no_terminal)
            return std::nullopt;
        if (!line_start_ && number != owner_) {
            stage("\r\n");
            line_start_ = true;
            continue;
        }
        owner_ = number;
        if (line_start_) {
            line_start_ = false;
            stage(terminals_[number].name);
            stage("| ");
            continue;
        }
        u8 const byte = terminals_[number].output->pop();
        changes.room |= 1u << number;
        line_start_ = byte == '\n';
        return byte;
    }
}

// One burst, if the port has room for one.
Console::Changes Console::send_some()
{
    Changes changes;
    more_ = false;
    if (!port_.can_send()) {
        port_.want_send_interrupt(interrupts_);
        return changes;
    }
    more_ = true;
    for (u32 i = 0; i < port_.burst() && more_; i++) {
        auto const byte = next(changes);
        more_ = byte.has_value();
        if (more_)
            port_.send(*byte);
    }
    port_.want_send_interrupt(more_ && interrupts_);
    return changes;
}

Console::Changes Console::pump()
{
    if (!open_)
        return {};
    if (interrupts_)
        return send_some();
    Changes all;
    do {
        if (!port_.wait_to_send())
            break;
        all.room |= send_some().room;
    } while (more_);
    return all;
}

void Console::take_input(u8 byte, Changes& changes)
{
    if (escaped_) {
        escaped_ = false;
        if (byte >= '0' && byte <= '9') {
            attach(byte - static_cast<u32>('0'));
            return;
        }
        if (byte != escape)
            return;
    } else if (byte == escape) {
        escaped_ = true;
        return;
    }
    // A guest that does not read loses what does not fit: input is typed, and must not pile up.
    if (attached_ < count_ && terminals_[attached_].input->push(byte))
        changes.input |= 1u << attached_;
}

Console::Served Console::interrupt()
{
    constexpr u32 rounds = 64, bytes_at_once = 64;
    Served served{};
    if (!open_)
        return served;
    for (u32 round = 0; port_.take_interrupt(); round++) {
        if (round == rounds) {
            served.again = true;
            break;
        }
        for (u32 i = 0; i < bytes_at_once; i++) {
            auto const byte = port_.receive();
            if (!byte)
                break;
            take_input(*byte, served.changes);
        }
        if (port_.can_send())
            served.changes.room |= send_some().room;
    }
    return served;
}

void Console::flush()
{
    if (!open_)
        return;
    flushing_ = true;
    bool const interrupts = interrupts_;
    interrupts_ = false;
    port_.want_send_interrupt(false);
    static_cast<void>(pump());
    static_cast<void>(port_.wait_to_send());          // the last burst has left
    interrupts_ = interrupts;
    flushing_ = false;
}

} // namespace kennel::service
