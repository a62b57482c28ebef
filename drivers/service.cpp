// SPDX-License-Identifier: Apache-2.0
//
// See service.hpp. Terminals are in service_console.cpp, the operator's orders in service_orders.cpp.
#include "drivers/service.hpp"
#include "drivers/fault.hpp"
#include "drivers/instructions.hpp"

namespace kennel::service {

Service::Service(Shared& shared, abi::InfoPage const& info, u32 index)
    : shared_{shared}, events_{*reinterpret_cast<abi::EventPage*>(info.event_page[index])}, index_{index}, turns_{info.tsc_hz}, log_{events_, &shared.history, index == 0 ? &shared.screen : nullptr}
{
}

// ---- the loop ----

void Service::run()
{
    if (index_ == 0)
        set_up();
    // Ordering: acquire pairs with the release in set_up: the plan is seen whole.
    if (shared_.ready.load(std::memory_order_acquire))
        start_guests();

    Answer next = wait();
    for (;;) {
        u64 answered = 0;                             // handle of the vCPU whose reply is in its page
        if (u64 const badge = next.first) [[likely]] {
            Guest* const guest = badge < std::size(by_badge_) ? by_badge_[badge] : nullptr;
            if (guest) [[likely]] {
                End const end = answer(*guest);
                if (guest->platform.uart.take_output_mark()) [[unlikely]]
                    output_of(*guest);
                if (end.reason == EndReason::none) [[likely]]
                    answered = guest->vcpu;
                else
                    ended(*guest, end);
            }
        }
        if (__atomic_load_n(&events_.summary, __ATOMIC_RELAXED)) [[unlikely]] {
            outbox_.open = !answered;
            take_events();
            outbox_.open = false;
            if (orders_) [[unlikely]]
                answered = carry_out_orders(answered);
        }
        if (!answered) {
            next = wait_for_more();
            continue;
        }
        u64 const badge = next.first;
        next = reply_and_wait(answered);
        if (next.status != Status::ok) [[unlikely]] {
            ended(*by_badge_[badge], {EndReason::reply_refused, "the hypervisor refused the answer"});
            next = wait();
        }
    }
}

// A guest's interrupt that was kept goes with the call.
Answer Service::wait_for_more()
{
    if (u64 const partition = outbox_.partition) {
        outbox_.partition = 0;
        Answer const next = wait(partition, outbox_.address, outbox_.data);
        if (next.status == Status::ok) [[likely]]
            return next;
        outbox_.sender->was_refused();
    }
    return wait();
}

void Service::take_events()
{
    // Ordering: acquire pairs with hv's release: the bit lies there before the summary says so.
    u64 const words = __atomic_exchange_n(&events_.summary, 0, __ATOMIC_ACQUIRE);
    for (u64 rest = words >> Guest::first_event_word; rest; rest &= rest - 1) {
        u32 const word = static_cast<u32>(__builtin_ctzll(rest));
        serve_doorbells(word * 2, __atomic_exchange_n(&events_.pending[Guest::first_event_word + word], 0, __ATOMIC_ACQUIRE));
    }
    constexpr u64 own_words = (1u << Guest::first_event_word) - 1;
    if ((words & own_words) || (index_ == 0 && (shared_.drives.was_woken() || shared_.networks.clock_changed()))) [[unlikely]]
        take_own_events(words);
}

// All but doorbells, and what follows from them for vCPU 0: kept apart, so that a doorbell's way is short.
[[gnu::noinline]] void Service::take_own_events(u64 words)
{
    u64 const pending = __atomic_exchange_n(&events_.pending[0], 0, __ATOMIC_ACQUIRE);
    if (pending & bit(Event::plan_ready))
        start_guests();
    if (pending & bit(Event::serial_line))
        serve_serial();
    if (pending & bit(Event::output))
        pump_console();
    if (pending & bit(Event::terminal))
        terminals_changed();
    if (pending & bit(Event::guest_ended))
        power_off_if_done();
    if (pending & bit(Event::frames))
        set_clock(shared_.networks.drain(index_));
    if (pending & bit(Event::orders))
        orders_ = true;
    if (pending & bit(Event::orders_done)) {
        shared_.monitor.orders_done(shared_.plan, shared_.info->tsc_hz, log_, shared_.screen);
        serve_monitor();
    }
    if (u64 const word = disk_done_event / 64; words >> word & 1)
        disks_completed(__atomic_exchange_n(&events_.pending[word], 0, __ATOMIC_ACQUIRE));
    if (pending & bit(Event::wire))
        set_clock(shared_.networks.serve_wire(log_));
    if (pending & bit(Event::clock)) [[unlikely]]
        clock_came();
    if (index_ == 0 && shared_.drives.in_use())
        serve_drives(pending);
    if (index_ == 0 && shared_.networks.clock_changed())
        set_clock(shared_.networks.deadline());
}

// ---- devices ----

// Two guests' doorbells. A guest that has ended meanwhile is in the list no more.
void Service::serve_doorbells(u32 first_guest, u64 pending)
{
    for (; pending; pending &= pending - 1) {
        u32 const which = static_cast<u32>(__builtin_ctzll(pending)), number = first_guest + which / VirtioDevices::events;
        Guest* const guest = number < abi::max_guests ? by_badge_[number + 1] : nullptr;
        if (!guest) [[unlikely]]
            continue;
        u32 const device = which % VirtioDevices::events / Transport::most_queues;
        if (guest->platform.virtio.kicked(device, which % Transport::most_queues)) [[unlikely]]
            remember(*guest, device);
    }
}

// What a device did not finish: a kick then need not bring us at once (EventPage.busy), or we look again by ourselves.
void Service::remember(Guest& guest, u32 device)
{
    auto const rest = guest.platform.virtio.rest(device);
    u32 const event = guest.platform.virtio.event_of(device, 0);
    u64& busy = events_.busy[event / 64];
    u64 const mask = 1ull << event % 64;
    __atomic_store_n(&busy, rest.in_flight ? busy | mask : busy & ~mask, __ATOMIC_RELAXED);
    set_clock(rest.continue_at ? rest.continue_at : turns_.next());
    if (guest.has_console && guest.console.take_output_mark())
        output_of(guest);
}

void Service::disks_completed(u64 pending)
{
    for (; pending; pending &= pending - 1)
        disk_completed(*shared_.plan.disks[__builtin_ctzll(pending)]);
}

void Service::disk_completed(Disk& disk)
{
    Guest& guest = *shared_.plan.guests[disk.guest];
    if (guest.platform.virtio.completed(disk.device))
        remember(guest, disk.device);
    if (guest.state == GuestState::ending && !guest.platform.virtio.in_flight())
        ended(guest, guest.end);
}

void Service::serve_drives(u64 pending)
{
    Drives& drives = shared_.drives;
    if (pending & bit(Event::drive_channel))
        drives.interrupt(0, log_);
    if (pending & bit(Event::drive_channel_1))
        drives.interrupt(1, log_);
    // Requests of guests at home elsewhere.
    u64 requests = __atomic_exchange_n(&events_.pending[disk_request_event / 64], 0, __ATOMIC_ACQUIRE);
    for (; requests; requests &= requests - 1)
        shared_.plan.disks[__builtin_ctzll(requests)]->remote->serve();
    while (DriveSlice* const slice = drives.take_news()) {
        Disk& disk = *shared_.plan.disks[slice->event - disk_done_event];
        if (disk.remote)
            disk.remote->serve();
        else
            disk_completed(disk);
    }
    set_clock(drives.deadline());
}

void Service::clock_came()
{
    clock_ = ~0ull;
    u64 const now = time_stamp();
    if (index_ == 0 && shared_.drives.in_use())
        shared_.drives.timer(now, log_);              // what came of it: serve_drives, next
    set_clock(shared_.networks.drain_again(index_, now));
    if (index_ == 0 && shared_.networks.has_clock()) {
        set_clock(shared_.networks.serve_wire_again(now, log_));
        shared_.networks.timer(now, log_);
        set_clock(shared_.networks.deadline());
    }
    if (now >= refresh_at_)
        refresh_screen(now);
    set_clock(refresh_at_);
    for (u32 i = 0; i < shared_.plan.count; i++) {
        Guest& guest = *shared_.plan.guests[i];
        if (!is_home(guest) || guest.state != GuestState::resting)
            continue;
        if (now >= guest.resume_at)
            start(guest);
        else
            set_clock(guest.resume_at);
    }
    set_clock(turns_.take(shared_.plan.count, now, [&](u32 number) {
        Guest& guest = *shared_.plan.guests[number];
        return is_home(guest) ? &guest.platform.virtio : nullptr;
    }));
}

// Commands of drives set deadlines half a minute away and nearly always end before: the clock is set only where it would come
// too late.
void Service::set_clock(u64 deadline)
{
    if (deadline < clock_) {
        clock_ = deadline;
        static_cast<void>(clock(deadline, static_cast<u64>(Event::clock)));
    }
}

// ---- guests ----

void Service::set_up()
{
    abi::InfoPage const& info = *shared_.info;
    shared_.screen.open(info.screen);
    log_.line(Text{"service ", info.service, " on ", info.cpu_count, info.cpu_count == 1 ? " CPU" : " CPUs", ", ABI ", info.version});
    if (info.version != abi::abi_version)
        give_up("made for another version of the hypervisor", info.version);
    shared_.networks.ring_with(static_cast<u64>(Event::frames));
    shared_.plan = make_plan(info, find_heap(info), shared_.drives, shared_.networks, log_);
    shared_.drives.start(static_cast<u64>(Event::drive_channel), log_);
    shared_.networks.start(static_cast<u64>(Event::wire), log_);
    if (shared_.plan.refused)
        shared_.failed = true;
    shared_.unfinished = shared_.plan.count;
    open_console();
    if (info.service == 0)
        log_.frame(Text{"ready"});
    if (shared_.screen.is_on())
        set_clock(refresh_at_ = time_stamp());
    // Ordering: release: everything above is visible to whoever sees `ready`.
    shared_.ready.store(true, std::memory_order_release);
    for (u32 cpu = 1; cpu < info.cpu_count; cpu++)
        ring(cpu, Event::plan_ready);
    ring(0, Event::guest_ended);                      // there may be none to wait for
}

void Service::start_guests()
{
    if (started_)
        return;
    started_ = true;
    for (u32 i = 0; i < shared_.plan.count; i++) {
        Guest& guest = *shared_.plan.guests[i];
        if (!is_home(guest))
            continue;
        guest.platform.interrupts.set_outbox(outbox_);
        start(guest);
    }
}

void Service::ended(Guest& guest, End const& end)
{
    // A medium that still moves bytes of its RAM finishes first: that RAM is about to become somebody's else.
    if (guest.platform.virtio.in_flight()) {
        guest.state = GuestState::ending;
        guest.end = end;
        return;
    }
    output_of(guest);
    if (!shared_.console.is_open())
        log_output(guest, true);
    // Ordering: acquire pairs with the monitor's release. What a program or a person wants goes before the guest's policy.
    Order const order = guest.order.load(std::memory_order_acquire);
    bool const stop = order == Order::stop || order == Order::leave;
    Wanted const wanted = stop ? Wanted::stop : order == Order::restart || order == Order::reset ? Wanted::restart : Wanted::nothing;
    if (!conclude(guest, end, wanted, *shared_.info, log_)) {
        bool const not_started = guest.state == GuestState::ended && (end.reason == EndReason::reboot || wanted == Wanted::restart);
        if (!is_orderly(end.reason) || not_started)
            shared_.failed = true;
        if (order == Order::stop) {
            by_badge_[guest.number + 1] = nullptr;
            guest.state = GuestState::stopped;
        } else if (guest.state != GuestState::held) {
            over(guest);
        }
    } else if (guest.state == GuestState::resting) {
        set_clock(guest.resume_at);
    }
    if (wanted != Wanted::nothing)
        order_done(guest);
}

void Service::over(Guest& guest)
{
    by_badge_[guest.number + 1] = nullptr;
    shared_.unfinished.fetch_sub(1, std::memory_order_acq_rel);
    if (index_ == 0)
        power_off_if_done();
    else
        ring(0, Event::guest_ended);
}

void Service::start(Guest& guest)
{
    if (guest.state == GuestState::ended)
        shared_.unfinished.fetch_add(1, std::memory_order_acq_rel);
    by_badge_[guest.number + 1] = &guest;
    if (begin(guest, *shared_.info, log_)) {
        tell_window(guest);
        return;
    }
    shared_.failed = true;
    over(guest);
}

void Service::power_off_if_done()
{
    if (shared_.unfinished.load(std::memory_order_acquire) != 0)
        return;
    for (u32 cpu = 0; cpu < shared_.info->cpu_count; cpu++)     // their guests are gone: nobody counts any more
        shared_.networks.report(cpu, log_);
    shared_.console.flush();
    if (shared_.screen.is_on()) {                     // where the machine cannot be switched off, it stays readable
        shared_.screen.show_log(shared_.history);
        shared_.monitor.show(shared_.plan, shared_.info->tsc_hz, shared_.screen);
    }
    // Once every service has said so the machine goes off; until then this one waits.
    static_cast<void>(machine_power_off(shared_.failed));
}

} // namespace kennel::service
