// SPDX-License-Identifier: Apache-2.0
//
// See schedule.hpp. A guest that wakes with slice left goes before the others, once: sleeping earns no time, so a
// guest that only exits or only naps gets its share and no more. One for which its service worked beyond the end of its turn owes that.
#include "hv/schedule.hpp"
#include "hv/clock.hpp"
#include "hv/cpu.hpp"
#include "hv/event.hpp"
#include "hv/intercept.hpp"

namespace kennel {

namespace {

constexpr s64 most_owed = 100;                 // turns: whose service once took an hour is not gone for an hour

s64 full_slice(Cpu const& cpu, Vcpu const& vcpu) { return static_cast<s64>(cpu.machine->boot->tsc_hz / 1000 * slice_ms * vcpu.weight / 100); }

// When the turn of cpu.charged ends if others want to run from `now` on: at once where it is used up.
u64 end_of_turn(Cpu const& cpu, u64 now)
{
    u64 const end = cpu.slice_start + static_cast<u64>(cpu.charged->slice_left);
    return end > now ? end : now;
}

// The turn of cpu.charged ends: its time is booked, and it queues up again if it can go on.
void end_turn(Cpu& cpu, u64 now)
{
    Vcpu* vcpu = cpu.charged;
    if (!vcpu)
        return;
    vcpu->counters->run_ticks += now - cpu.slice_start;
    u64 const end = cpu.slice_end == ~0ull ? end_of_turn(cpu, now) : cpu.slice_end;    // ~0: nobody has waited
    vcpu->slice_left = static_cast<s64>(end - now);
    cpu.charged = nullptr;
    if (vcpu->status != VcpuStatus::runnable)
        return;
    if (vcpu->slice_left <= 0)
        return cpu.guests.push_back(*vcpu);
    // It was interrupted for one that woke: that one first, then it goes on with what is left.
    Vcpu* woken = cpu.guests.pop_front();
    cpu.guests.push_front(*vcpu);
    if (woken)
        cpu.guests.push_front(*woken);
}

// The last turn of this guest, just taken from the queue, is used up: it gets the next one. False: it owes more than that, and sits this
// one out; but if nobody else wants to run, nobody is owed.
[[gnu::noinline]] bool begin_turn(Cpu& cpu, Vcpu& guest)
{
    s64 const full = full_slice(cpu, guest), least = -most_owed * full, owed = guest.slice_left > least ? guest.slice_left : least;
    guest.slice_left = full + (cpu.guests.empty() ? 0 : owed);
    if (guest.slice_left <= 0)
        cpu.guests.push_back(guest);
    return guest.slice_left > 0;
}

} // namespace

void serve_inbox(Cpu& cpu)
{
    // Ordering: acquire pairs with the release in request(): the vCPU's requests are seen.
    if (!cpu.shared.inbox_used.exchange(false, std::memory_order_acquire))
        return;
    while (Vcpu* vcpu = cpu.shared.inbox.lock()->pop_front())   // the lock is held for that only
        serve_requests(*vcpu);
}

void make_runnable(Vcpu& vcpu)
{
    Cpu& cpu = *vcpu.cpu;
    vcpu.status = VcpuStatus::runnable;
    if (cpu.charged == &vcpu)
        return;                                // still its turn
    // One just started queues up like everybody, or one that restarts for ever would always go first.
    vcpu.slice_left > 0 ? cpu.guests.push_front(vcpu) : cpu.guests.push_back(vcpu);
    if (cpu.charged && cpu.slice_end == ~0ull)
        cpu.slice_end = end_of_turn(cpu, arch::now());
    cpu.attention = true;
}

void take_off(Vcpu& vcpu)
{
    Cpu& cpu = *vcpu.cpu;
    if (cpu.charged == &vcpu)
        end_turn(cpu, arch::now());            // not runnable: it is booked and queues nowhere
    else if (vcpu.run_link.is_linked())
        (vcpu.is_service() ? cpu.services : cpu.guests).remove(vcpu);
}

[[gnu::noinline]] void schedule(Cpu& cpu)
{
    for (;;) {
        cpu.attention = false;
        cpu.current = nullptr;                 // nobody is running while others' wishes are served
        serve_inbox(cpu);
        if (cpu.gather_deadline != ~0ull)
            end_gathering(cpu);
        u64 const now = arch::now();
        end_turn(cpu, now);
        if (Vcpu* service = cpu.services.pop_front()) {
            if (service->in_wait)
                finish_wait(*service);
            cpu.slice_end = ~0ull;
            cpu.current = service;
            return;
        }
        if (Vcpu* guest = cpu.guests.pop_front()) {
            if (guest->slice_left <= 0 && !begin_turn(cpu, *guest))
                continue;
            cpu.charged = guest;
            cpu.slice_start = now;
            cpu.slice_end = cpu.guests.empty() ? ~0ull : now + static_cast<u64>(guest->slice_left);
            watch_deadline(cpu, cpu.slice_end);
            guest->attention |= Attention::watchdog;
            cpu.current = guest;
            return;
        }
        arch::idle(cpu);
    }
}

} // namespace kennel
