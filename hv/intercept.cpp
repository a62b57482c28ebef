// SPDX-License-Identifier: Apache-2.0
//
// See intercept.hpp. Rows 3 and 4 of the request path when the guest has to wait for the answer.
#include "hv/intercept.hpp"
#include "hv/cpu.hpp"
#include "hv/event.hpp"
#include "hv/schedule.hpp"

namespace kennel {

void serve_now(Cpu& cpu, Vcpu& service, u64 badge)
{
    service.status = VcpuStatus::runnable;
    service.in_wait = false;
    service.registers().rax = static_cast<u64>(abi::Status::ok);
    service.registers().rdi = badge;
    cpu.current = &service;
}

// Inlined into the exit path, like answer() below.
[[gnu::always_inline]] Action intercept(Vcpu& vcpu)
{
    Cpu& cpu = *vcpu.cpu;
    Vcpu& service = *vcpu.service;
    vcpu.status = VcpuStatus::intercepted;

    if (service.status == VcpuStatus::waiting && cpu.current == &vcpu) [[likely]] {
        serve_now(cpu, service, vcpu.badge);           // nobody else can be on this CPU
        return Action::enter;
    }
    if (!vcpu.in_chain) {                              // it may be: answered, and stopped again, before its message was fetched
        vcpu.in_chain = true;
        vcpu.next_waiting = service.waiting_guests;
        service.waiting_guests = &vcpu;
    }
    if (service.status == VcpuStatus::waiting)
        wake_service(service);
    return Action::reschedule;
}

void finish_wait(Vcpu& service)
{
    service.in_wait = false;
    service.registers().rax = static_cast<u64>(abi::Status::ok);
    service.registers().rdi = 0;
    if (Vcpu* vcpu = service.waiting_guests) {
        service.waiting_guests = vcpu->next_waiting;
        vcpu->in_chain = false;
        service.registers().rdi = vcpu->badge;
    }
}

namespace {

// All answers but `skip`.
[[gnu::noinline]] abi::Status other_answer(Vcpu& vcpu, abi::Reply const volatile& page, abi::ReplyAction action)
{
    using enum abi::ReplyAction;
    if (vcpu.ended && action != none)
        return abi::Status::bad_state;         // it needs a new state, not an answer
    switch (action) {
    case retry:
        if (vcpu.interrupted_delivery)
            arch::reinject_interrupted_delivery(vcpu);
        break;
    case inject: {
        u32 const vector = page.vector, has_error = page.has_error, error = page.error_code;
        if (vector > 19 || vector == 2 || has_error > 1 || error > 0x7fff)
            return abi::Status::bad_argument;
        if (vector == 14 && page.has_value)
            arch::set_fault_address(vcpu, page.value);
        arch::inject_exception(vcpu, static_cast<u8>(vector), has_error ? std::optional{error} : std::nullopt);
        break;
    }
    case none:
        vcpu.status = VcpuStatus::stopped;
        return abi::Status::ok;
    default:
        return abi::Status::bad_argument;
    }
    vcpu.interrupted_delivery = false;
    make_runnable(vcpu);
    return abi::Status::ok;
}

} // namespace

// Inlined into the exit path, where no register need be preserved: that is 12 instructions of every answer.
[[gnu::always_inline]] abi::Status answer(Cpu& here, Vcpu& vcpu)
{
    if (vcpu.status != VcpuStatus::intercepted) [[unlikely]]
        return abi::Status::bad_state;
    if (vcpu.cpu != &here) [[unlikely]] {
        request(here, vcpu, Request::answer);
        return abi::Status::ok;
    }
    // The service may write the page at any moment: each word is read once, and the copy is checked.
    abi::Reply const volatile& page = vcpu.page->reply;
    abi::ReplyAction const action = page.action;
    if (action != abi::ReplyAction::skip) [[unlikely]]
        return other_answer(vcpu, page, action);
    u64 length = vcpu.reply_length;            // the processor told it, or it is the service's to say
    if (length == 0) {
        length = page.instruction_length;
        if (length - 1 > 14 || vcpu.ended || vcpu.interrupted_delivery) [[unlikely]]
            return vcpu.ended ? abi::Status::bad_state : abi::Status::bad_argument;
        if (page.has_value)
            arch::set_status_flags(vcpu, page.value);
    }
    arch::skip_bytes(vcpu, static_cast<u32>(length));
    make_runnable(vcpu);
    return abi::Status::ok;
}

} // namespace kennel
