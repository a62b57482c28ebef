// SPDX-License-Identifier: Apache-2.0
//
// The operator's seat in the machine. Home: the service's vCPU 0, like the console whose port it shares.
//
//   a person      types on the serial line, after 0x1d m; a line editor, tables back on the same line
//   a program     sends 0x1d r ID COMMAND \n; the answer comes as framed messages on the log's port, where no guest can write
//   the screen    once a second: the table of `list`
//
// One command at a time. What concerns guests is an Order to each guest's home (order.hpp); the command is answered when all of
// them are carried out.
#pragma once
#include "drivers/guest/plan.hpp"
#include "drivers/history.hpp"
#include "drivers/monitor/command.hpp"
#include "drivers/monitor/line_editor.hpp"
#include "drivers/monitor/report.hpp"

namespace kennel::service {

// What of a command is not the monitor's to do.
struct MonitorWish {
    u32  homes = 0;                                   // bit n: guests at home on CPU n have orders
    bool attach = false, detach = false;              // the console shall be `guest`'s, or nobody's
    bool leave = false;                               // back to whichever guest is attached
    u32  guest = 0;
};

class Monitor {
public:
    constexpr Monitor() : output_{output_space_}, input_{input_space_}, requests_{request_space_} {}

    ByteRing& output() { return output_; }
    ByteRing& input() { return input_; }              // keys
    ByteRing& requests() { return requests_; }        // lines of programs

    // What was typed and asked since, up to the first command that must wait.
    MonitorWish serve(Plan& plan, History& history, Log& log);
    void show_prompt() { editor_.show(output_); }
    // Orders were carried out. Again serve(), then: more may have been typed.
    void orders_done(Plan& plan, u64 tsc_hz, Log& log, Screen& screen);
    // The screen wants new samples: they are shown when they are there. Nothing while another command is carried out.
    MonitorWish refresh(Plan& plan);
    void show(Plan const& plan, u64 tsc_hz, Screen& screen);   // the samples there are

private:
    enum class Asker : u8 { person, program, screen };
    static constexpr u32 output_bytes = 32 * 1024, input_bytes = 1024, longest_request = 120;

    struct Pending {
        bool    active = false;
        Asker   asker = Asker::person;
        u32     request = 0;
        Command command;
        u32     guest = 0;                            // where one was named
        bool    one = false;
    };

    void begin(std::string_view line, Plan& plan, History& history, MonitorWish& wish, Log& log);
    void order(Order what, Plan& plan, MonitorWish& wish);
    void finish(std::string_view fault, Log& log);
    void report(Plan& plan, u64 tsc_hz, Log& log);
    void request_ended(Plan& plan, History& history, MonitorWish& wish, Log& log);
    Answers answers(Log& log) { return pending_.asker == Asker::program ? Answers{log, pending_.request} : Answers{output_}; }

    ByteRing   output_, input_, requests_;
    LineEditor editor_;
    Pending    pending_;
    char       request_[longest_request] = {};
    u32        request_size_ = 0;                     // longest_request + 1: too long
    Sample     before_[abi::max_guests];              // as of the last report to a person ...
    Sample     shown_[abi::max_guests];               // ... and to the screen
    u8 output_space_[output_bytes] = {};
    u8 input_space_[input_bytes] = {};
    u8 request_space_[input_bytes] = {};
};

} // namespace kennel::service
