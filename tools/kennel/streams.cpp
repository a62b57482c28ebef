// SPDX-License-Identifier: Apache-2.0
//
// See streams.hpp.
#include "tools/kennel/streams.hpp"
#include <algorithm>
#include <sstream>

namespace kennel::tool {

namespace {

constexpr usize longest_line = 4096;
constexpr char  escape = '\x1b';

} // namespace

// ECMA-48, "Control sequences": ESC [ parameters, then one byte from '@' to '~'. Other escapes are two bytes.
std::optional<std::string> LineReader::step(char c)
{
    switch (state_) {
    case State::escape:
        state_ = c == '[' ? State::sequence : State::text;
        return std::nullopt;
    case State::sequence:
        if (c >= '@' && c <= '~') {
            state_ = State::text;
            // Firmware consoles place each line with the cursor: a new position ends the line before.
            if ((c == 'H' || c == 'J') && !line_.empty())
                return std::exchange(line_, {});
        }
        return std::nullopt;
    case State::text:
        break;
    }
    if (c == escape)
        state_ = State::escape;
    else if (c == '\n' || c == '\r')
        return line_.empty() ? std::nullopt : std::optional{std::exchange(line_, {})};
    else if (((c >= ' ' && c <= '~') || c == '\t' || c == frame_mark) && line_.size() < longest_line)
        line_ += c;
    return std::nullopt;
}

ConsoleStream::Output ConsoleStream::feed(std::span<char const> bytes)
{
    Output output;
    usize used = 0;
    for (; used < bytes.size() && state_ == State::firmware; used++) {
        matched_ = bytes[used] == console_mark[matched_] ? matched_ + 1 : bytes[used] == console_mark[0] ? 1 : 0;
        if (matched_ == console_mark.size())
            state_ = State::mark_line;
    }
    lines_.feed(bytes.first(used), [&](std::string_view line) {
        if (auto const start = line.find("kennel: "); start != line.npos)
            output.loader.emplace_back(line.substr(start));
    });
    for (; used < bytes.size() && state_ == State::mark_line; used++)
        if (bytes[used] == '\n')
            state_ = State::console;
    output.console = {bytes.data() + used, bytes.size() - used};
    return output;
}

bool is_firmware_line(std::string_view line)
{
    return line.starts_with("kennel: ") || line.starts_with("BdsDxe:") || line.starts_with("UEFI ");
}

Message parse_message(std::string_view text)
{
    std::istringstream words{std::string{text}};
    std::string first, second, word;
    Message message;
    auto const options = [&] {
        while (words >> word) {
            if (word.starts_with("reason="))
                message.reason = word.substr(7);
            if (word.starts_with("status=f"))          // the line may be cut short when the machine goes off
                message.failed = true;
        }
    };
    words >> first;
    if (first == "reply") {
        if (words >> message.request) {
            message.kind = Message::Kind::reply;
            std::getline(words >> std::ws, message.text);
        }
    } else if (first == "ready") {
        message.kind = Message::Kind::ready;
    } else if (first == "machine" && words >> second && second == "off") {
        message.kind = Message::Kind::machine_off;
        options();
    } else if (first == "guest" && words >> message.guest >> second) {
        message.kind = second == "started"   ? Message::Kind::guest_started
                     : second == "stopped"   ? Message::Kind::guest_stopped
                     : second == "restarted" ? Message::Kind::guest_restarted
                                             : Message::Kind::unknown;
        options();
    }
    return message;
}

} // namespace kennel::tool
