// SPDX-License-Identifier: Apache-2.0
//
// See report.hpp.
#include "drivers/monitor/report.hpp"

namespace kennel::service {

namespace {

// In the order of abi::ExitCounter.
constexpr char const* counter_names[] = {
    "cpuid", "hypercall", "port-service", "port-doorbell", "port-unclaimed", "memory-service", "memory-unclaimed", "msr-read", "msr-write",
    "msr-service", "msr-denied", "control-register", "halt", "interrupt", "interrupt-window", "exception", "apic", "tsc-deadline", "xsetbv",
    "debug-register", "timer", "cache", "denied-instruction", "other",
};
static_assert(std::size(counter_names) == Sample::exit_kinds);

void left(Text& text, std::string_view word, usize width)
{
    text.add(word);
    for (usize i = word.size(); i < width; i++)
        text.add(" ");
}

void right(Text& text, Text const& word, usize width)
{
    for (usize i = word.view().size(); i < width; i++)
        text.add(" ");
    text.add(word.view());
}

u64 milliseconds(u64 ticks, u64 tsc_hz) { return tsc_hz >= 1000 ? ticks / (tsc_hz / 1000) : 0; }

// What a rate is taken over. A guest that was started since the last look has nothing in common with what it was then.
struct Span { Sample before; u64 ticks; };
Span span_of(GuestRow const& row)
{
    Sample const& now = *row.now;
    bool const same_run = row.before->starts == now.starts && row.before->taken != 0;
    return {same_run ? *row.before : Sample{}, now.taken - (same_run ? row.before->taken : now.started)};
}

void words_of(GuestRow const& row, Answers const& answers)
{
    Sample const& now = *row.now;
    answers.line(Text{"guest name=", row.name, " state=", row.state, " cpu=", row.cpu, " memory=", row.memory, " starts=", now.starts,
                      " elapsed_ms=", milliseconds(now.taken - now.started, row.tsc_hz), " run_ms=", milliseconds(now.run_ticks, row.tsc_hz), " exits=", now.all_exits(),
                      " interrupts=", now.interrupts, " disk_requests=", now.disk_requests(), " unclaimed=", now.unclaimed, " console_lost=", now.console_lost}.view());
}

void all_words_of(GuestRow const& row, Answers const& answers)
{
    Sample const& now = *row.now;
    words_of(row, answers);
    constexpr usize enough = 300;
    Text exits{"exits name=", row.name};
    for (u32 i = 0; i < Sample::exit_kinds; i++) {
        if (now.exits[i] == 0)
            continue;
        exits.add(" ", counter_names[i], "=", now.exits[i]);
        if (exits.view().size() > enough) {
            answers.line(exits.view());
            exits = Text{"exits name=", row.name};
        }
    }
    answers.line(exits.view());
    for (u32 i = 0; i < row.disks; i++)
        answers.line(Text{"disk name=", row.name, " disk=", i, " requests=", now.disks[i].requests, " failed=", now.disks[i].failed, " refused=", now.disks[i].refused,
                          " interrupts=", now.disks[i].interrupts}.view());
    for (u32 i = 0; i < row.cards; i++)
        answers.line(Text{"card name=", row.name, " card=", i, " packets_sent=", now.cards[i].packets_sent, " bytes_sent=", now.cards[i].bytes_sent, " packets_received=",
                          now.cards[i].packets_received, " bytes_received=", now.cards[i].bytes_received, " dropped=", now.cards[i].dropped}.view());
}

void table_line(Answers const& answers, std::string_view name, u64 before, u64 now, Span const& span, u64 tsc_hz)
{
    Text text{"  "};
    left(text, name, 24);
    right(text, Text{rate(before, now, span.ticks, tsc_hz)}, 12);
    right(text, Text{now}, 16);
    answers.line(text.view());
}

} // namespace

char const* name_of(abi::ExitCounter counter)
{
    auto const number = static_cast<u32>(counter);
    return number < std::size(counter_names) ? counter_names[number] : "unknown";
}

void Answers::line(std::string_view text) const
{
    if (log_)
        return log_->frame(Text{"reply ", request_, " ", text});
    if (screen_)
        return screen_->table_line(text);
    for (char const c : text)
        terminal_->push(static_cast<u8>(c));
    terminal_->push('\r');
    terminal_->push('\n');
}

void Answers::end(std::string_view fault) const
{
    if (log_)
        return fault.empty() ? log_->frame(Text{"reply ", request_, " end ok"}) : log_->frame(Text{"reply ", request_, " end error ", fault});
    if (!fault.empty())
        line(fault);
}

u64 rate(u64 before, u64 now, u64 ticks, u64 tsc_hz)
{
    u64 const count = now >= before ? now - before : now, ms = milliseconds(ticks, tsc_hz);
    if (ms == 0)
        return 0;
    return count > ~0ull / 1000 ? count / ms * 1000 : count * 1000 / ms;
}

void report_head(Answers const& answers)
{
    if (!answers.for_programs())
        answers.line("guest             state    CPU  share  memory  exits/s  disk/s   net/s starts");
}

void report_row(GuestRow const& row, Answers const& answers)
{
    if (answers.for_programs())
        return words_of(row, answers);
    Sample const& now = *row.now;
    Span const span = span_of(row);
    u64 const run_ms = milliseconds(now.run_ticks - span.before.run_ticks, row.tsc_hz), all_ms = milliseconds(span.ticks, row.tsc_hz);
    bool const alive = row.state == "running";
    Text text;
    auto const per_second = [&](u64 (Sample::*count)() const) { return alive ? rate((span.before.*count)(), (now.*count)(), span.ticks, row.tsc_hz) : 0; };
    left(text, row.name, 18);
    left(text, row.state, 8);
    right(text, Text{row.cpu}, 4);
    right(text, Text{alive && all_ms ? run_ms * 100 / all_ms : 0, " %"}, 7);
    right(text, Text{row.memory >> 20, " M"}, 8);
    right(text, Text{per_second(&Sample::all_exits)}, 9);
    right(text, Text{per_second(&Sample::disk_requests)}, 8);
    right(text, Text{per_second(&Sample::packets)}, 8);
    right(text, Text{now.starts}, 7);
    answers.line(text.view());
    if (!alive || answers.one_line_each())
        return;
    Text reasons;
    for (u32 i = 0; i < Sample::exit_kinds; i++)
        if (u64 const each = rate(span.before.exits[i], now.exits[i], span.ticks, row.tsc_hz))
            reasons.add(reasons.view().empty() ? "    exits/s: " : ", ", counter_names[i], " ", each);
    if (!reasons.view().empty())
        answers.line(reasons.view());
}

void report_counters(GuestRow const& row, Answers const& answers)
{
    if (answers.for_programs())
        return all_words_of(row, answers);
    Sample const& now = *row.now;
    Span const span = span_of(row);
    answers.line(Text{"guest ", row.name, ": ", row.state, ", started ", now.starts, now.starts == 1 ? " time" : " times", "; rates over ", milliseconds(span.ticks, row.tsc_hz), " ms"}.view());
    Text head{"  "};
    left(head, "", 24);
    right(head, Text{"per second"}, 12);
    right(head, Text{"since its start"}, 16);
    answers.line(head.view());
    auto const row_of = [&](std::string_view name, u64 Sample::* member) { table_line(answers, name, span.before.*member, now.*member, span, row.tsc_hz); };
    table_line(answers, "exits", span.before.all_exits(), now.all_exits(), span, row.tsc_hz);
    for (u32 i = 0; i < Sample::exit_kinds; i++)
        if (now.exits[i])
            table_line(answers, Text{"  ", counter_names[i]}.view(), span.before.exits[i], now.exits[i], span, row.tsc_hz);
    row_of("interrupts", &Sample::interrupts);
    row_of("unclaimed accesses", &Sample::unclaimed);
    row_of("console bytes lost", &Sample::console_lost);
    for (u32 i = 0; i < row.disks; i++) {
        char const letter = static_cast<char>('a' + i);
        auto const disk = [&](std::string_view what, u64 Sample::DiskCounters::* member) {
            table_line(answers, Text{"vd", std::string_view{&letter, 1}, " ", what}.view(), span.before.disks[i].*member, now.disks[i].*member, span, row.tsc_hz);
        };
        disk("requests", &Sample::DiskCounters::requests);
        disk("failed", &Sample::DiskCounters::failed);
        disk("refused", &Sample::DiskCounters::refused);
        disk("interrupts", &Sample::DiskCounters::interrupts);
    }
    for (u32 i = 0; i < row.cards; i++) {
        auto const card = [&](std::string_view what, u64 Sample::CardCounters::* member) {
            table_line(answers, Text{"eth", i, " ", what}.view(), span.before.cards[i].*member, now.cards[i].*member, span, row.tsc_hz);
        };
        card("packets sent", &Sample::CardCounters::packets_sent);
        card("bytes sent", &Sample::CardCounters::bytes_sent);
        card("packets received", &Sample::CardCounters::packets_received);
        card("bytes received", &Sample::CardCounters::bytes_received);
        card("dropped", &Sample::CardCounters::dropped);
    }
}

} // namespace kennel::service
