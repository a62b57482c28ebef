// SPDX-License-Identifier: Apache-2.0
//
// See event.hpp. The order bit -> summary here and summary -> bits in the service is what makes no event get lost.
#include "hv/event.hpp"
#include "hv/clock.hpp"
#include "hv/cpu.hpp"
#include "hv/intercept.hpp"

namespace kennel {

bool events_pending(Vcpu const& service)
{
    // Ordering: acquire, pairs with the service's exchange; a bit set before the summary is seen with it.
    return __atomic_load_n(&service.events->summary, __ATOMIC_ACQUIRE) != 0;
}

void wake_service(Vcpu& service)
{
    service.status = VcpuStatus::runnable;
    service.cpu->services.push_back(service);
    service.cpu->attention = true;
}

void ring(Cpu& here, Vcpu& service, u32 number)
{
    u64 const bit = 1ull << (number % 64);
    // Ordering: the bit is released before the summary, so whoever takes the summary finds the bit.
    u64 const before = __atomic_fetch_or(&service.events->pending[number / 64], bit, __ATOMIC_RELEASE);
    __atomic_fetch_or(&service.events->summary, 1ull << (number / 64), __ATOMIC_RELEASE);
    if (service.cpu != &here) {
        if (!(before & bit))
            request(here, service, Request::wake);
    } else if (service.status == VcpuStatus::waiting) {
        wake_service(service);
    }
}

// The first doorbell that waits for company: who rang it goes on, and looks at the timer in time even with interrupts off.
[[gnu::noinline]] static void begin_gathering(Cpu& cpu)
{
    cpu.gather_deadline = arch::now() + cpu.machine->boot->tsc_hz / 1'000'000 * gather_us;
    watch_deadline(cpu, cpu.gather_deadline);
    cpu.current->attention |= Attention::watchdog;
}

// Inlined into the exit path; whether the bit was set before, which costs an atomic exchange, only another CPU would have to know.
[[gnu::always_inline]] Action ring_here(Cpu& here, Vcpu& service, u32 number)
{
    abi::EventPage& events = *service.events;
    u64 const bit = 1ull << (number % 64);
    // Ordering: as in ring().
    __atomic_fetch_or(&events.pending[number / 64], bit, __ATOMIC_RELEASE);
    __atomic_fetch_or(&events.summary, 1ull << (number / 64), __ATOMIC_RELEASE);
    if (service.status != VcpuStatus::waiting)
        return Action::resume;
    if (__atomic_load_n(&events.busy[number / 64], __ATOMIC_RELAXED) & bit) {
        if (here.gather_deadline == ~0ull) [[unlikely]]
            begin_gathering(here);
        return Action::resume;
    }
    serve_now(here, service, 0);
    return Action::enter;
}

void end_gathering(Cpu& cpu)
{
    cpu.gather_deadline = ~0ull;
    for (Vcpu& vcpu : cpu.all)
        if (vcpu.is_service() && vcpu.status == VcpuStatus::waiting && events_pending(vcpu))
            wake_service(vcpu);
}

} // namespace kennel
