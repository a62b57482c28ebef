// SPDX-License-Identifier: Apache-2.0
//
// One run of a machine, from its start to its exit status: listens to both serial ports, passes the guests' console and the
// user's keys through, obeys the messages on COM2, and ends the emulator in every case.
#pragma once
#include "tools/kennel/control.hpp"
#include "tools/kennel/handle.hpp"
#include "tools/kennel/machine.hpp"
#include "tools/kennel/port.hpp"
#include "tools/kennel/streams.hpp"
#include "tools/kennel/terminal.hpp"
#include <chrono>
#include <fstream>

namespace kennel::tool {

struct SessionOptions {
    std::optional<std::chrono::seconds> time_limit;
    std::optional<std::chrono::seconds> loader_limit;   // for the loader's first line; default: by emulator
    std::string                         input_after;    // standard input is passed on once the console has shown this
    bool                                verbose = false;
    bool                                may_fall_back = false;   // from QEMU to Bochs
};

// Signals that end us are blocked from here on; Session::run takes them as events.
void block_ending_signals();
Handle listen_to_signals();                 // readable when one of them has come, or SIGWINCH; that is blocked from here on, too
int    take_signal(Handle const& signals);  // which; 0: none

class Session {
public:
    // `control`: where other programs may talk to the machine's monitor; none: nowhere.
    Session(Settings settings, SessionOptions options, std::ofstream log, std::optional<Control> control)
        : settings_{std::move(settings)}, options_{std::move(options)}, log_{std::move(log)}, control_{std::move(control)} {}

    Or<ExitStatus> run();

private:
    using Clock = std::chrono::steady_clock;
    using Time  = Clock::time_point;

    struct Ending {
        ExitStatus status;
        Time       kill_at;                 // the emulator may end by itself until then
    };
    enum class Stage { firmware, loader, ready };

    Or<std::optional<ExitStatus>> run_once();          // none: the firmware stalled before the loader spoke
    Time wake_up_at() const;
    std::optional<std::chrono::seconds> patience() const;   // how long it may say nothing; none: for ever
    bool lost_patience(Process const& process, Time now);
    void poll_once(Process& process, Handle const& signals);
    void end(ExitStatus status, std::chrono::milliseconds grace);
    void notice_end();
    void explain();

    void take_console();
    void take_log();
    void take_loader_line(std::string const& line);
    void take_message(Message const& message, std::string_view text);
    void take_input();
    void show(std::string_view bytes);
    void record(std::string_view line);
    bool input_wanted() const;

    Settings       settings_;
    SessionOptions options_;
    std::ofstream  log_;
    std::optional<Control> control_;
    Time           started_ = Clock::now();

    // of one attempt
    std::optional<SerialPort> console_port_, log_port_;
    ConsoleStream             console_;
    LineReader                log_lines_;
    Keyboard                  keyboard_;
    Stage                     stage_ = Stage::firmware;
    Time                      last_heard_{};          // the start, before there was a word
    std::chrono::nanoseconds  forgiven_{};            // of the time it waited for a processor
    std::optional<Ending>     ending_;
    bool                      gone_ = false;          // the emulator has ended ...
    bool                      unexplained_ = false;   // ... and nobody said why
    bool                      panicked_ = false;
    bool                      interactive_ = false;   // standard input is the user's terminal ...
    bool                      attached_ = false;      // ... and raw, for the guest
    bool                      input_open_ = true, input_allowed_ = true;
    std::string               seen_;        // the console's latest bytes, while input_after is awaited
    std::string               to_machine_;
};

} // namespace kennel::tool
