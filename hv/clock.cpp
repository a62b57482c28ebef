// SPDX-License-Identifier: Apache-2.0
//
// See clock.hpp.
#include "hv/clock.hpp"
#include "hv/cpu.hpp"
#include "hv/event.hpp"

namespace kennel {

void watch_deadline(Cpu& cpu, u64 deadline)
{
    if (deadline < cpu.timer_armed) {
        cpu.timer_armed = deadline;
        arch::arm_timer(cpu, deadline);
    }
}

void timer_interrupt(Cpu& cpu)
{
    u64 const now = arch::now();
    u64 next = cpu.slice_end;
    auto const consider = [&](u64 deadline) { next = deadline < next ? deadline : next; };
    cpu.timer_armed = ~0ull;
    if (now >= cpu.slice_end)
        cpu.attention = true, next = ~0ull;
    if (now >= cpu.gather_deadline)
        end_gathering(cpu);
    consider(cpu.gather_deadline);
    for (Vcpu& vcpu : cpu.all) {
        if (vcpu.is_service()) {
            if (now >= vcpu.clock_deadline) {
                vcpu.clock_deadline = ~0ull;
                ring(cpu, vcpu, vcpu.clock_event);
            }
            consider(vcpu.clock_deadline);
        } else if (vcpu.status != VcpuStatus::stopped) {       // or its timer would be served for ever
            if (now >= vcpu.apic.deadline()) {
                vcpu.apic.timer_expired(now);
                interrupt_arrived(vcpu);
            }
            consider(vcpu.apic.deadline());
        }
    }
    watch_deadline(cpu, next);
}

} // namespace kennel
