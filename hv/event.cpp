// SPDX-License-Identifier: Apache-2.0
//
// See event.hpp. The order bit -> summary here and summary -> bits in the service is what makes no event get lost.
#include "hv/event.hpp"
#include "hv/cpu.hpp"

namespace kennel {

bool events_pending(Vcpu const& service)
{
    // Ordering: acquire, pairs with the service's exchange; a bit set before the summary is seen with it.
    return __atomic_load_n(&service.events->summary, __ATOMIC_ACQUIRE) != 0;
}

bool ring(Cpu& here, Vcpu& service, u32 number)
{
    u64 const bit = 1ull << (number % 64);
    // Ordering: the bit is released before the summary, so whoever takes the summary finds the bit.
    u64 const before = __atomic_fetch_or(&service.events->pending[number / 64], bit, __ATOMIC_RELEASE);
    __atomic_fetch_or(&service.events->summary, 1ull << (number / 64), __ATOMIC_RELEASE);
    if (service.cpu != &here) {
        if (!(before & bit))
            request(here, service, Request::wake);
        return false;
    }
    if (service.status != VcpuStatus::waiting)
        return false;
    service.status = VcpuStatus::runnable;
    here.services.push_back(service);
    here.attention = true;
    return true;
}

} // namespace kennel
