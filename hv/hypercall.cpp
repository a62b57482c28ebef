// SPDX-License-Identifier: Apache-2.0
//
// See hypercall.hpp: the calls on the path of a request, in few instructions. Everything else is in control.cpp.
#include "hv/hypercall.hpp"
#include "hv/cpu.hpp"
#include "hv/event.hpp"
#include "hv/intercept.hpp"
#include "hv/interrupt.hpp"

namespace kennel {

namespace {

using abi::Call, abi::Right, abi::Status;

Action finish(Vcpu& vcpu, Status status)
{
    vcpu.registers().rax = static_cast<u64>(status);
    return Action::enter;
}

// Inlined, like then_wait() below, into the exit path, where no register need be preserved.
[[gnu::always_inline]] inline Action wait(Vcpu& service)
{
    Cpu& cpu = *service.cpu;
    if (service.waiting_guests || events_pending(service)) {
        finish_wait(service);
        return Action::enter;
    }
    service.status = VcpuStatus::waiting;
    service.in_wait = true;
    // The guest whose turn it is goes on, unless something changed meanwhile.
    Vcpu* guest = cpu.charged;
    if (guest && guest->status == VcpuStatus::runnable && !cpu.attention) [[likely]] {
        cpu.current = guest;
        return Action::enter;
    }
    return Action::reschedule;
}

// Waits once `act` has been done with the object of this handle; else the service goes on with the reason.
template<Right right, class T, class Act> [[gnu::always_inline]] inline Action then_wait(Vcpu& service, u64 handle, Act act)
{
    T* object = nullptr;
    Status status = service.partition->handles->find(handle, right, object);
    if (status == Status::ok) [[likely]]
        status = act(*object);
    return status == Status::ok ? wait(service) : finish(service, status);
}

Action guest_call(Vcpu& vcpu)
{
    abi::Registers& registers = vcpu.registers();
    u64 const number = registers.rax;
    u64 const answer = number == static_cast<u64>(abi::GuestCall::nothing) ? 0
                     : number == static_cast<u64>(abi::GuestCall::version) ? abi::abi_version : static_cast<u64>(abi::guest_unknown_call);
    registers.rax = arch::at_privilege_zero(vcpu) ? answer : static_cast<u64>(abi::guest_not_permitted);
    return Action::resume;
}

// Out of line, so that its frame costs the calls above nothing.
[[gnu::noinline]] Action other_call(Vcpu& vcpu, u64 number) { return finish(vcpu, control_call(vcpu, number)); }

} // namespace

Action hypercall(Vcpu& vcpu)
{
    if (!vcpu.is_service())
        return guest_call(vcpu);
    abi::Registers const& registers = vcpu.registers();
    u64 const number = registers.rax;
    if (number == static_cast<u64>(Call::reply_and_wait)) [[likely]]
        return then_wait<Right::run, Vcpu>(vcpu, registers.rdi, [&](Vcpu& guest) { return answer(*vcpu.cpu, guest); });
    if (number != static_cast<u64>(Call::wait))
        return other_call(vcpu, number);
    if (registers.rdi == 0)
        return wait(vcpu);
    return then_wait<Right::interrupt, Partition>(vcpu, registers.rdi,
                                                  [&](Partition& guest) { return raise_message(*vcpu.cpu, guest, registers.rsi, registers.rdx); });
}

} // namespace kennel
