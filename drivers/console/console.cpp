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
    if (number >= count_)
        return;
    attached_ = number;
    front_ = covered_ = false;
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
    if ((number == attached_ && !front_) || flushing_ || size >= long_line)
        return true;
    for (u32 i = 0; i < size; i++)
        if (ring.peek(i) == '\n')
            return true;
    return false;
}

u32 Console::choose() const
{
    // A line that was begun goes on; between lines everybody gets a turn.
    if (!line_start_ && owner_ != no_terminal && has_output(owner_))
        return owner_;
    if (monitor_.output && !monitor_.output->empty())
        return monitor;
    u32 const first = owner_ == no_terminal ? 0 : owner_ + 1;
    for (u32 i = 0; i < count_; i++)
        if (u32 const number = (first + i) % count_; presentable(number))
            return number;
    return no_terminal;
}

std::optional<u8> Console::next(Changes& changes)
{
    if (count_ == 1 && !front_ && owner_ != monitor) [[likely]] {
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
        if (number == no_terminal) {
            if (!front_ && owner_ == monitor)
                owner_ = no_terminal;                 // it is gone, and all it said is out
            if (covered_)
                redraw(changes);
            return std::nullopt;
        }
        if (!line_start_ && number != owner_) {
            covered_ = owner_ == monitor && front_;
            stage(covered_ ? "\r\x1b[K" : "\r\n");
            line_start_ = true;
            continue;
        }
        owner_ = number;
        if (number == monitor) {
            u8 const byte = monitor_.output->pop();
            line_start_ = byte == '\n';
            return byte;
        }
        if (line_start_) {
            line_start_ = false;
            if (count_ > 1 || front_) {
                stage(terminals_[number].name);
                stage("| ");
            }
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
        Changes const changes = send_some();
        all.room |= changes.room;
        all.monitor |= changes.monitor;
    } while (more_);
    return all;
}

void Console::take_input(u8 byte, Changes& changes)
{
    switch (input_) {
    case Input::plain:
        break;
    case Input::escaped:
        input_ = Input::plain;
        return take_escaped(byte, changes);
    case Input::request:
        monitor_.requests->push(byte);
        if (byte == '\n') {
            input_ = Input::plain;
            changes.monitor = true;
        }
        return;
    case Input::window:
        return take_size(byte, changes);
    }
    if (byte == escape) {
        input_ = Input::escaped;
    } else if (front_) {
        monitor_.input->push(byte);
        changes.monitor = true;
    } else if (attached_ < count_ && terminals_[attached_].input->push(byte)) {
        // A guest that does not read loses what does not fit: input is typed, and must not pile up.
        changes.input |= 1u << attached_;
    }
}

void Console::take_escaped(u8 byte, Changes& changes)
{
    if (byte >= '0' && byte <= '9') {
        attach(byte - static_cast<u32>('0'));
    } else if (byte == 'm' && monitor_.output) {
        enter_monitor(changes);
    } else if (byte == 'r' && monitor_.output) {
        input_ = Input::request;
    } else if (byte == 'w') {
        input_ = Input::window;
        size_ = {};
    } else if (byte == escape && !front_ && attached_ < count_ && terminals_[attached_].input->push(byte)) {
        changes.input |= 1u << attached_;
    }
}

// COLUMNS ROWS and the end of a line; anything else counts for nothing.
void Console::take_size(u8 byte, Changes& changes)
{
    constexpr u16 most = 9999;
    u16& number = size_.numbers[size_.count];
    if (byte == '\n' || byte == '\r') {
        input_ = Input::plain;
        if (!size_.is_good || !size_.numbers[0] || !size_.numbers[1])
            return;
        window_.store({size_.numbers[0], size_.numbers[1]}, std::memory_order_relaxed);
        changes.window = true;
    } else if (byte >= '0' && byte <= '9' && number <= most / 10) {
        number = static_cast<u16>(number * 10 + byte - '0');
    } else if (byte == ' ' && size_.count == 0) {
        size_.count = 1;
    } else {
        size_.is_good = false;
    }
}

void Console::enter_monitor(Changes& changes)
{
    if (!front_ && count_ == 1) {                     // how its line stands was not followed
        owner_ = 0;
        line_start_ = false;
    }
    front_ = true;
    redraw(changes);
}

bool Console::leave_monitor()
{
    if (attached_ >= count_)
        return false;
    front_ = covered_ = false;
    return true;
}

// The monitor's prompt, anew: as if its key for that had been typed.
void Console::redraw(Changes& changes)
{
    constexpr u8 control_l = 'L' - '@';
    covered_ = false;
    monitor_.input->push(control_l);
    changes.monitor = true;
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
        if (port_.can_send()) {
            Changes const changes = send_some();
            served.changes.room |= changes.room;
            served.changes.monitor |= changes.monitor;
        }
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
