// SPDX-License-Identifier: Apache-2.0
//
// Samples as text: tables for a person, words like `exits=12` for a program. Pure.
#pragma once
#include "drivers/log.hpp"
#include "drivers/console/ring.hpp"
#include "drivers/monitor/sample.hpp"

namespace kennel::service {

// Where an answer goes: the monitor's terminal, the screen's table, or, line by line, framed messages on the log's port.
//   reply ID TEXT             a line of the answer to request ID
//   reply ID end ok|error...  it is complete
class Answers {
public:
    explicit Answers(ByteRing& terminal) : terminal_{&terminal} {}
    explicit Answers(Screen& screen) : screen_{&screen} {}
    Answers(Log& log, u32 request) : log_{&log}, request_{request} {}

    void line(std::string_view text) const;
    void end(std::string_view fault) const;            // empty: it was carried out
    bool for_programs() const { return log_ != nullptr; }
    bool one_line_each() const { return screen_ != nullptr; }

private:
    ByteRing* terminal_ = nullptr;
    Screen*   screen_ = nullptr;
    Log*      log_ = nullptr;
    u32       request_ = 0;
};

// A guest as these reports see it.
struct GuestRow {
    std::string_view name, state;
    u32           cpu = 0;
    u64           memory = 0;                          // bytes
    u32           disks = 0, cards = 0;
    Sample const* now = nullptr;
    Sample const* before = nullptr;                    // rates are since then
    u64           tsc_hz = 1;
};

void report_head(Answers const& answers);
void report_row(GuestRow const& row, Answers const& answers);
void report_counters(GuestRow const& row, Answers const& answers);

// Per second, between two counts of which the earlier may belong to an earlier start.
u64 rate(u64 before, u64 now, u64 ticks, u64 tsc_hz);

} // namespace kennel::service
