// SPDX-License-Identifier: Apache-2.0
//
// What comes out of the machine's two serial ports, taken apart. Pure: bytes in, values out.
//   COM1: the firmware's and the loader's words first; from the service's mark on, the guests' console.
//   COM2: the hypervisor's log, with messages for us among its lines, each marked by a leading 0x1e.
#pragma once
#include "hv/lib/types.hpp"
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace kennel::tool {

inline constexpr std::string_view console_mark = "\x1ekennel-console";
inline constexpr char             frame_mark   = '\x1e';

// Bytes to lines: without line ends, terminal control sequences and other unprintable bytes; at most 4 KiB each.
class LineReader {
public:
    template <typename Take> void feed(std::span<char const> bytes, Take take)
    {
        for (char const c : bytes)
            if (auto line = step(c))
                take(std::string_view{*line});
    }

    std::string_view unfinished() const { return line_; }

private:
    enum class State { text, escape, sequence };
    std::optional<std::string> step(char c);

    std::string line_;
    State       state_ = State::text;
};

class ConsoleStream {
public:
    struct Output {
        std::vector<std::string> loader;    // lines of the loader, from "kennel: " on
        std::string_view         console;   // bytes of the guests' console; points into what was fed
    };
    Output feed(std::span<char const> bytes);

    bool taken_over() const { return state_ == State::console; }

private:
    enum class State { firmware, mark_line, console };
    State      state_ = State::firmware;
    usize      matched_ = 0;                // of the mark
    LineReader lines_;
};

// Firmware may show its console on every serial port, and with it what the loader says: on COM2 that is no news.
bool is_firmware_line(std::string_view line);

// A message for us.
struct Message {
    enum class Kind { ready, guest_started, guest_stopped, guest_restarted, machine_off, reply, unknown };
    Kind        kind = Kind::unknown;
    std::string guest;
    std::string reason;                     // of guest_stopped
    bool        failed = false;             // status=failed
    u32         request = 0;                // of reply: which request ...
    std::string text;                       // ... and one line of the answer
};
Message parse_message(std::string_view text);

} // namespace kennel::tool
