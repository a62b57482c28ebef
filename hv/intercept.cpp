// SPDX-License-Identifier: Apache-2.0
//
// See intercept.hpp. Rows 3 and 4 of the request path when the guest has to wait for the answer.
#include "hv/intercept.hpp"
#include "hv/cpu.hpp"
#include "hv/schedule.hpp"

namespace kennel {

Action intercept(Vcpu& vcpu)
{
    Cpu& cpu = *vcpu.cpu;
    Vcpu& service = *vcpu.service;
    vcpu.status = VcpuStatus::intercepted;

    if (service.status == VcpuStatus::waiting && cpu.current == &vcpu) [[likely]] {
        // Nobody else can be on this CPU: the service answers now, on the guest's own slice.
        service.status = VcpuStatus::runnable;
        service.in_wait = false;
        service.registers().rax = static_cast<u64>(abi::Status::ok);
        service.registers().rdi = vcpu.badge;
        cpu.current = &service;
        return Action::resume;
    }
    vcpu.next_waiting = service.waiting_guests;
    service.waiting_guests = &vcpu;
    if (service.status == VcpuStatus::waiting) {
        service.status = VcpuStatus::runnable;
        cpu.services.push_back(service);
        cpu.attention = true;
    }
    return Action::reschedule;
}

void finish_wait(Vcpu& service)
{
    service.in_wait = false;
    service.registers().rax = static_cast<u64>(abi::Status::ok);
    service.registers().rdi = 0;
    if (Vcpu* vcpu = service.waiting_guests) {
        service.waiting_guests = vcpu->next_waiting;
        vcpu->next_waiting = nullptr;
        service.registers().rdi = vcpu->badge;
    }
}

abi::Status answer(Cpu& here, Vcpu& vcpu)
{
    if (vcpu.status != VcpuStatus::intercepted) [[unlikely]]
        return abi::Status::bad_state;
    // The service may write the page at any moment: each word is read once, and the copy is checked.
    abi::Reply const volatile& page = vcpu.page->reply;
    abi::ReplyAction const action = page.action;

    if (vcpu.cpu != &here) {
        request(here, vcpu, Request::answer);
        return abi::Status::ok;
    }
    if (action == abi::ReplyAction::skip) [[likely]] {
        if (vcpu.reply_length) [[likely]] {
            arch::skip_bytes(vcpu, static_cast<u32>(vcpu.reply_length));
        } else {
            u32 const length = page.instruction_length;
            if (length == 0 || length > 15 || vcpu.interrupted_delivery)
                return abi::Status::bad_argument;
            arch::skip_bytes(vcpu, length);
            if (page.has_value)
                arch::set_status_flags(vcpu, page.value);
        }
    } else if (action == abi::ReplyAction::retry) {
        if (vcpu.interrupted_delivery)
            arch::reinject_interrupted_delivery(vcpu);
    } else if (action == abi::ReplyAction::inject) {
        u32 const vector = page.vector, has_error = page.has_error, error = page.error_code;
        if (vector == 14 && page.has_value)
            arch::set_fault_address(vcpu, page.value);
        if (vector > 31 || vector == 2 || has_error > 1 || error > 0xffff)
            return abi::Status::bad_argument;
        arch::inject_exception(vcpu, static_cast<u8>(vector), has_error ? std::optional{error} : std::nullopt);
    } else if (action == abi::ReplyAction::none) {
        vcpu.status = VcpuStatus::stopped;
        return abi::Status::ok;
    } else {
        return abi::Status::bad_argument;
    }
    if (vcpu.page->kind == abi::InterceptKind::stopped && action != abi::ReplyAction::none) {
        vcpu.status = VcpuStatus::stopped;   // a stopped vCPU needs a new state, not an answer
        return abi::Status::bad_state;
    }
    vcpu.interrupted_delivery = false;
    make_runnable(vcpu);
    return abi::Status::ok;
}

} // namespace kennel
