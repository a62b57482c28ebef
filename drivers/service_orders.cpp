// SPDX-License-Identifier: Apache-2.0
//
// What the operator wants of guests (drivers/monitor), carried out by the vCPU they are at home on. See service.hpp.
#include "drivers/service.hpp"

namespace kennel::service {

// -> the vCPU that still waits for the answer in its page: not one that was stopped instead.
u64 Service::carry_out_orders(u64 answered)
{
    orders_ = false;
    for (u32 i = 0; i < shared_.plan.count; i++) {
        Guest& guest = *shared_.plan.guests[i];
        if (!is_home(guest))
            continue;
        Order const order = guest.order.load(std::memory_order_acquire);
        if (order != Order::none && carry_out(guest, order, answered))
            order_done(guest);
    }
    return answered;
}

// False: it is not done yet, or was and is said already; ended() says so then.
bool Service::carry_out(Guest& guest, Order order, u64& answered)
{
    bool const down = order == Order::stop || order == Order::leave;
    switch (guest.state) {
    case GuestState::planned:
        return true;
    case GuestState::running:
        if (order == Order::sample || order == Order::start)
            break;
        if (guest.vcpu == answered) {
            answered = 0;
            ended(guest, {EndReason::stop_requested});
        } else {
            static_cast<void>(vcpu_stop(guest.vcpu));     // its intercept follows
        }
        return false;
    case GuestState::ending:
        if (order == Order::sample)
            break;
        return false;
    case GuestState::held:
        if (order == Order::sample)
            break;
        ended(guest, guest.end);
        return false;
    case GuestState::resting:
    case GuestState::stopped:
    case GuestState::ended:
        if (order == Order::stop && guest.state == GuestState::resting) {
            guest.state = GuestState::stopped;
        } else if (order == Order::leave && guest.state != GuestState::ended) {
            guest.state = GuestState::ended;
            over(guest);
        } else if (!down && order != Order::sample) {
            start(guest);
        }
        return true;
    }
    take_sample(guest);
    return true;
}

void Service::order_done(Guest& guest)
{
    // Ordering: release: its state and sample are there before the monitor sees that it is done.
    guest.order.store(Order::none, std::memory_order_release);
    ring(0, Event::orders_done);
}

void Service::give_orders(u32 homes)
{
    for (; homes; homes &= homes - 1)
        ring(static_cast<u32>(__builtin_ctz(homes)), Event::orders);
}

// Lines of other vCPUs, which only this one can show; and figures, which follow when each guest's home has counted.
void Service::refresh_screen(u64 now)
{
    refresh_at_ = now + shared_.info->tsc_hz;
    shared_.screen.show_log(shared_.history);
    give_orders(shared_.monitor.refresh(shared_.plan).homes);
}

void Service::serve_monitor()
{
    MonitorWish const wish = shared_.monitor.serve(shared_.plan, shared_.history, log_);
    give_orders(wish.homes);
    if (wish.detach)
        shared_.console.detach();
    if (wish.attach)
        shared_.console.attach(wish.guest);
    if (wish.leave) {
        bool const left = shared_.console.leave_monitor();
        put(shared_.monitor.output(), left ? "\r\n" : "\r\nno guest is attached: attach GUEST\r\n");
        if (!left)
            shared_.monitor.show_prompt();
    }
    pump_console();
}

} // namespace kennel::service
