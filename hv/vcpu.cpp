// SPDX-License-Identifier: Apache-2.0
//
// See vcpu.hpp: interrupts for a vCPU, wishes of other CPUs, and its end.
#include "hv/vcpu.hpp"
#include "hv/clock.hpp"
#include "hv/cpu.hpp"
#include "hv/event.hpp"
#include "hv/intercept.hpp"
#include "hv/schedule.hpp"

namespace kennel {

[[gnu::always_inline]] void interrupt_arrived(Vcpu& vcpu)
{
    vcpu.look_at_interrupts();
    if (vcpu.status == VcpuStatus::halted && vcpu.apic.highest_pending() >= 0)
        make_runnable(vcpu);
}

// Inlined where a service's message is on its way to the guest that runs next, where no register need be preserved.
[[gnu::always_inline]] void raise_interrupt(Cpu& here, Vcpu& vcpu, u8 vector, bool level)
{
    if (vcpu.cpu == &here) [[likely]] {
        vcpu.apic.accept(vector, level);
        interrupt_arrived(vcpu);
        return;
    }
    // Ordering: release pairs with the exchange in serve_requests; the request below wakes the other CPU.
    vcpu.posted[vector / 64].fetch_or(1ull << (vector % 64), std::memory_order_release);
    request(here, vcpu, Request::interrupt);
}

[[gnu::noinline]] void request(Cpu& here, Vcpu& vcpu, u32 what)
{
    // Ordering: release, pairs with the exchange in serve_requests: what was done before the request is seen there.
    u32 const before = vcpu.requests.fetch_or(what, std::memory_order_acq_rel);
    if (vcpu.cpu == &here) {
        serve_requests(vcpu);
        return;
    }
    if (before)
        return;                                // on its way already
    if (auto inbox = vcpu.cpu->shared.inbox.lock(); !vcpu.inbox_link.is_linked())
        inbox->push_back(vcpu);
    vcpu.cpu->shared.inbox_used.store(true, std::memory_order_release);
    arch::kick(*here.machine, *vcpu.cpu);
}

namespace {

// Its partition is going: off every list of its CPU, and nothing of it left in the processor.
void release(Vcpu& vcpu)
{
    Cpu& cpu = *vcpu.cpu;
    vcpu.status = VcpuStatus::stopped;
    take_off(vcpu);
    if (vcpu.cpu_link.is_linked())
        cpu.all.remove(vcpu);
    Vcpu** link = &vcpu.service->waiting_guests;   // a message the service never fetched must not outlive its sender
    while (*link && *link != &vcpu)
        link = &(*link)->next_waiting;
    if (*link)
        *link = vcpu.next_waiting;
    if (auto inbox = cpu.shared.inbox.lock(); vcpu.inbox_link.is_linked())   // nor a wish of another CPU that was on its way
        inbox->remove(vcpu);
    arch::release_vcpu(cpu, vcpu);
    // Ordering: release: whoever sees this may free the frames.
    __atomic_store_n(&vcpu.released, true, __ATOMIC_RELEASE);
}

} // namespace

void serve_requests(Vcpu& vcpu)
{
    Cpu& cpu = *vcpu.cpu;
    u32 const what = vcpu.requests.exchange(0, std::memory_order_acq_rel);

    if (what & Request::release)
        return release(vcpu);
    if ((what & Request::start) && vcpu.status == VcpuStatus::ready)
        make_runnable(vcpu), watch_deadline(cpu, vcpu.apic.deadline());
    if (what & Request::answer)
        answer(cpu, vcpu);
    if ((what & Request::wake) && vcpu.status == VcpuStatus::waiting && events_pending(vcpu))
        wake_service(vcpu);
    if (what & Request::interrupt) {
        for (u32 word = 0; word < 4; word++) {
            u64 bits = vcpu.posted[word].exchange(0, std::memory_order_acquire);
            for (; bits; bits &= bits - 1)
                vcpu.apic.accept(static_cast<u8>(word * 64 + static_cast<u32>(__builtin_ctzll(bits))), false);
        }
        interrupt_arrived(vcpu);
    }
    if (what & Request::stop)
        if (vcpu.status == VcpuStatus::runnable || vcpu.status == VcpuStatus::halted || (vcpu.status == VcpuStatus::intercepted && !vcpu.ended))
            stop_vcpu(vcpu, abi::StopReason::stop_requested, 0, 0);
}

[[gnu::noinline]] Action stop_vcpu(Vcpu& vcpu, abi::StopReason reason, u32 exit_reason, u64 qualification)
{
    abi::InterceptPage& page = *vcpu.page;
    page.kind = abi::InterceptKind::stopped;
    page.stop = {reason, exit_reason, qualification, 0};
    arch::fill_execution_state(vcpu, page.execution);
    vcpu.reply_length = 0;
    vcpu.ended = true;
    if (vcpu.cpu->current != &vcpu) {
        vcpu.status = VcpuStatus::intercepted;
        take_off(vcpu);
    }
    return intercept(vcpu);
}

void reset_vcpu(Vcpu& vcpu)
{
    vcpu.apic.reset(vcpu.apic.id());
    for (auto& word : vcpu.posted)
        word.store(0, std::memory_order_relaxed);   // nobody may raise while the service resets it; a late one is lost, as on hardware
    vcpu.attention = Attention::interrupt;
    vcpu.interrupted_delivery = false;
    vcpu.reply_length = 0;
}

} // namespace kennel
