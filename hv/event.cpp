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

void ring(Cpu& here, Vcpu& service, u32 number, bool is_doorbell)
{
    u64 const bit = 1ull << (number % 64);
    // Ordering: the bit is released before the summary, so whoever takes the summary finds the bit.
    u64 const before = __atomic_fetch_or(&service.events->pending[number / 64], bit, __ATOMIC_RELEASE);
    __atomic_fetch_or(&service.events->summary, 1ull << (number / 64), __ATOMIC_RELEASE);
    if (service.cpu != &here) {
        if (!(before & bit))
            request(here, service, Request::wake);
        return;
    }
    if (service.status != VcpuStatus::waiting)
        return;
    if (!is_doorbell)
        return wake_service(service);
    if (__atomic_load_n(&service.events->busy[number / 64], __ATOMIC_RELAXED) & bit) {
        if (here.gather_deadline == ~0ull) {
            here.gather_deadline = arch::now() + here.machine->boot->tsc_hz / 1'000'000 * gather_us;
            watch_deadline(here, here.gather_deadline);
            here.current->attention |= Attention::watchdog;   // it looks at the timer by then even if the guest keeps interrupts off
        }
        return;
    }
    serve_now(here, service, 0);
}

void end_gathering(Cpu& cpu)
{
    cpu.gather_deadline = ~0ull;
    for (Vcpu& vcpu : cpu.all)
        if (vcpu.is_service && vcpu.status == VcpuStatus::waiting && events_pending(vcpu))
            wake_service(vcpu);
}

} // namespace kennel
