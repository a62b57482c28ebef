// SPDX-License-Identifier: Apache-2.0
//
// The service on one physical CPU: it waits, answers one intercept or takes its events, and waits again.
// Each guest is at home on the vCPU of its own CPU, the machine's serial port on vCPU 0; what they have for each other
// goes through rings and an event.
#pragma once
#include "drivers/console/console.hpp"
#include "drivers/guest/lifecycle.hpp"
#include "drivers/guest/plan.hpp"
#include "drivers/monitor/monitor.hpp"
#include "drivers/turns.hpp"

namespace kennel::service {

// What all vCPUs of this service share: filled by vCPU 0, read by the others once `ready`.
struct Shared {
    abi::InfoPage const* info = nullptr;
    Plan    plan;
    Drives  drives;                                   // vCPU 0 only
    Console console;                                  // vCPU 0 only
    Monitor monitor;                                  // vCPU 0 only
    Screen  screen;                                   // vCPU 0 only, but for is_on()
    History history;
    net::Networks networks;                           // each vCPU its own part
    std::atomic<bool> ready{false};
    std::atomic<u32>  unfinished{0};                  // guests that run, are held, or stopped by the operator
    std::atomic<bool> failed{false};                  // a guest did not end as it should
    // The console has nothing to send and will not look again by itself: who has output must ring.
    std::atomic<bool> console_asleep{true};
};

class Service {
public:
    Service(Shared& shared, abi::InfoPage const& info, u32 index);

    [[noreturn]] void run();

private:
    // Bits of the EventPage, the same on each vCPU.
    enum class Event : u32 {
        plan_ready,      // from vCPU 0: start your guests
        output,          // to vCPU 0: a guest elsewhere has output
        terminal,        // from vCPU 0: input, or room for output, for guests at home here
        serial_line,     // to vCPU 0: the serial port's interrupt
        guest_ended,     // to vCPU 0: look whether that was the last one
        drive_channel,   // to vCPU 0: the first IDE channel's interrupt ...
        drive_channel_1, // ... and the second's
        orders,          // the operator's, for guests at home here
        orders_done,     // to vCPU 0: some of them are carried out
        clock,           // the deadline that was set has come
        frames,          // from another vCPU: its guests sent something to guests at home here
        wire,            // to vCPU 0: the network card's interrupt
    };
    static constexpr u64 bit(Event event) { return 1ull << static_cast<u32>(event); }
    static_assert(static_cast<u32>(Event::wire) < 64, "all events lie in the first word");

    void set_up();                                    // vCPU 0 only
    void open_console();
    void start_guests();

    void ended(Guest& guest, End const& end);
    void over(Guest& guest);                          // for good
    void start(Guest& guest);                         // for the first time, or anew
    u64  carry_out_orders(u64 answered);
    bool carry_out(Guest& guest, Order order, u64& answered);
    void order_done(Guest& guest);
    void power_off_if_done();

    void take_events();
    void take_own_events(u64 words);
    Answer wait_for_more();
    void serve_drives(u64 channels);
    void clock_came();
    void set_clock(u64 deadline);
    void serve_doorbells(u32 first_guest, u64 pending);
    void remember(Guest& guest, u32 device);
    void disks_completed(u64 pending);
    void disk_completed(Disk& disk);
    void output_of(Guest& guest);
    void log_output(Guest& guest, bool all);
    void pump_console();
    void serve_serial();
    void serve_monitor();
    void give_orders(u32 homes);
    void refresh_screen(u64 now);
    void spread(Console::Changes changes);
    void terminals_changed();
    void tell_window(Guest& guest);
    void ring(u32 cpu, Event event) { static_cast<void>(event_raise(cpu, static_cast<u64>(event))); }
    bool is_home(Guest const& guest) const { return guest.home == index_; }

    Shared&          shared_;
    abi::EventPage&  events_;
    u32              index_;
    bool             started_ = false;
    bool             orders_ = false;                 // some may wait for guests at home here
    u64              clock_ = ~0ull;                  // as it was set
    u64              refresh_at_ = ~0ull;             // TSC: the screen shows new figures; vCPU 0 only
    Turns            turns_;
    Outbox           outbox_;                         // of take_events(), for the wait behind it
    Log              log_;
    Guest*           by_badge_[abi::max_guests + 1] = {};
};

} // namespace kennel::service
