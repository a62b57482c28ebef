// SPDX-License-Identifier: Apache-2.0
//
// See schedule.hpp. A guest that wakes with slice left goes before the others, once: sleeping earns no time, so a
// guest that only exits or only naps gets its share and no more.
#include "hv/schedule.hpp"
#include "hv/clock.hpp"
#include "hv/cpu.hpp"
#include "hv/event.hpp"
#include "hv/intercept.hpp"

namespace kennel {

namespace {

u64 full_slice(Cpu const& cpu, Vcpu const& vcpu) { return cpu.machine->boot->tsc_hz / 1000 * slice_ms * vcpu.weight / 100; }

// The turn of cpu.charged ends: its time is booked, and it queues up again if it can go on.
void end_turn(Cpu& cpu, u64 now)
{
    Vcpu* vcpu = cpu.charged;
    if (!vcpu)
        return;
    cpu.charged = nullptr;
    u64 const used = now - cpu.slice_start;
    vcpu->counters->run_ticks += used;
    bool const used_up = used >= vcpu->slice_left;
    // What its service did for it beyond the end comes off the next turn.
    u64 const full = full_slice(cpu, *vcpu), left = vcpu->slice_left - used + (used_up ? full : 0);
    vcpu->slice_left = left - 1 < full ? left : 1;
    if (vcpu->status != VcpuStatus::runnable)
        return;
    if (used_up) {
        cpu.guests.push_back(*vcpu);
    } else {
        // It was interrupted for one that woke: that one first, then it goes on with what is left.
        Vcpu* woken = cpu.guests.pop_front();
        cpu.guests.push_front(*vcpu);
        if (woken)
            cpu.guests.push_front(*woken);
    }
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
    if (vcpu.slice_left)
        cpu.guests.push_front(vcpu);
    else
        cpu.guests.push_back(vcpu), vcpu.slice_left = full_slice(cpu, vcpu);
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
            cpu.charged = guest;
            cpu.slice_start = now;
            cpu.slice_end = cpu.guests.empty() ? ~0ull : now + guest->slice_left;
            watch_deadline(cpu, cpu.slice_end);
            guest->attention |= Attention::watchdog;
            cpu.current = guest;
            return;
        }
        arch::idle(cpu);
    }
}

} // namespace kennel
