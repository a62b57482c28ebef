// SPDX-License-Identifier: Apache-2.0
//
// Guests' terminals: their output to the machine's serial port or the log, what is typed to them, and who is told when
// there is room again. See service.hpp.
#include "drivers/service.hpp"

namespace kennel::service {

void Service::open_console()
{
    abi::InfoPage const& info = *shared_.info;
    if (!info.owns_devices || !info.console_port)
        return;                                       // output goes to the log, line by line
    Console& console = shared_.console;
    console.open(info.console_port, info.tsc_hz);
    for (u32 i = 0; i < shared_.plan.count; i++) {
        Guest& guest = *shared_.plan.guests[i];
        console.add({guest.name_view(), &guest.output, &guest.input});
    }
    console.add_monitor(shared_.monitor.output(), shared_.monitor.input(), shared_.monitor.requests());
    for (u32 i = shared_.plan.count; i-- > 0;)
        if (shared_.plan.guests[i]->recipe.options & static_cast<u32>(abi::GuestOption::attached))
            console.attach(i);
    u64 const line = info.console_port == 0x3f8 || info.console_port == 0x3e8 ? 4 : 3;
    Answer const bound = interrupt_bind_isa(line, static_cast<u64>(Event::serial_line), 0);
    console.set_interrupts(bound.status == Status::ok);
    if (bound.status != Status::ok)
        log_.line(Text{"console: no interrupt for port ", Hex{info.console_port}, ", status ", static_cast<u64>(bound.status), ": there is no input"});
}

void Service::output_of(Guest& guest)
{
    guest.wants_room.store(guest.is_blocked(), std::memory_order_release);
    if (!shared_.console.is_open()) {
        log_output(guest, false);
        return;
    }
    if (index_ == 0)
        pump_console();
    else if (shared_.console_asleep.exchange(false, std::memory_order_acq_rel))
        ring(0, Event::output);
}

// Whole lines to the log; a very long one, or the rest at the end, as it is.
void Service::log_output(Guest& guest, bool all)
{
    constexpr u32 most = 300;
    u32 const size = guest.output.size();
    if (!size || (!all && size < most && guest.output.peek(size - 1) != '\n'))
        return;
    bool const shown = shared_.screen.is_on() && !shared_.console.is_open();   // it is nowhere else to be seen
    char line[most];
    usize length = 0;
    while (!guest.output.empty()) {
        char const c = static_cast<char>(guest.output.pop());
        if (c != '\n' && c != '\r')
            line[length++] = c;
        if ((c == '\n' || length == most) && length) {
            log_.guest_line(guest.name_view(), {line, length}, shown);
            length = 0;
        }
    }
    if (length)
        log_.guest_line(guest.name_view(), {line, length}, shown);
    guest.terminal_changed();
}

void Service::pump_console()
{
    // Asleep is said first: whoever writes after the console looked finds it so, and rings.
    shared_.console_asleep.store(true, std::memory_order_seq_cst);
    spread(shared_.console.pump());
}

void Service::serve_serial()
{
    Console::Served const served = shared_.console.interrupt();
    if (served.again)
        ring(0, Event::serial_line);
    spread(served.changes);
}

// Tells the guests whose terminal changed; each hears it on its own home.
void Service::spread(Console::Changes changes)
{
    if (changes.monitor)
        serve_monitor();
    constexpr u32 enough_room = Guest::output_bytes / 2;
    u32 others = 0;
    bool here = changes.window;
    if (changes.window)
        for (u32 i = 0; i < shared_.plan.count; i++)
            others |= is_home(*shared_.plan.guests[i]) ? 0 : 1u << shared_.plan.guests[i]->home;
    for (u32 both = changes.input | changes.room; both; both &= both - 1) {
        u32 const number = static_cast<u32>(__builtin_ctz(both));
        Guest& guest = *shared_.plan.guests[number];
        bool concerned = changes.input & (1u << number);
        if (guest.wants_room.load(std::memory_order_relaxed) && guest.output.room() >= enough_room)
            concerned |= guest.wants_room.exchange(false, std::memory_order_acq_rel);
        if (!concerned)
            continue;
        if (is_home(guest))
            here = true;
        else
            others |= 1u << guest.home;
    }
    if (here)
        terminals_changed();
    for (; others; others &= others - 1)
        ring(static_cast<u32>(__builtin_ctz(others)), Event::terminal);
}

void Service::terminals_changed()
{
    for (u32 i = 0; i < shared_.plan.count; i++) {
        Guest& guest = *shared_.plan.guests[i];
        if (is_home(guest) && guest.state == GuestState::running) {
            tell_window(guest);
            guest.terminal_changed();
        }
    }
}

void Service::tell_window(Guest& guest)
{
    auto const [columns, rows] = shared_.console.window();
    guest.console.set_size(columns, rows);
}

} // namespace kennel::service
