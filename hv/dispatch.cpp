// SPDX-License-Identifier: Apache-2.0
//
// See dispatch.hpp. A guest's fault is data here: it gets an exception, or its service gets a message.
#include "hv/dispatch.hpp"
#include "hv/clock.hpp"
#include "hv/cpu.hpp"
#include "hv/event.hpp"
#include "hv/hypercall.hpp"
#include "hv/intercept.hpp"
#include "hv/log.hpp"
#include "hv/schedule.hpp"

namespace kennel {

namespace {

using abi::ExitCounter;

void count(Vcpu& vcpu, ExitCounter what) { vcpu.counters->exits[static_cast<u32>(what)]++; }

constexpr u8 general_protection = 13;

Action general_protection_fault(Vcpu& vcpu)
{
    arch::inject_exception(vcpu, general_protection, 0u);
    return Action::resume;
}

Action step_over(Vcpu& vcpu)
{
    arch::skip_instruction(vcpu);
    return Action::resume;
}

// A service must not do this: it is broken, and there is nobody above it to ask.
[[gnu::cold, gnu::noinline]] Action service_failed(Vcpu& vcpu, char const* what, u64 value = 0)
{
    abi::ExecutionState state{};
    arch::fill_execution_state(vcpu, state);
    log_line("service ", vcpu.partition->number, " vcpu ", vcpu.cpu->index, " stopped: ", what, " (", Hex{value}, ") at rip ", Hex{state.rip});
    vcpu.status = VcpuStatus::stopped;
    service_done(*vcpu.cpu->machine, *vcpu.partition, true);
    return Action::reschedule;
}

[[gnu::always_inline]] inline Action unclaimed_port(Vcpu& vcpu, PortExit const& exit)
{
    count(vcpu, ExitCounter::port_unclaimed);
    if (exit.is_input()) {
        // A 4-byte IN clears the upper half like every 32-bit result; narrower ones leave the rest alone.
        u64& rax = vcpu.registers().rax;
        rax = exit.size() == 4 ? 0xffff'ffff : rax | (exit.size() == 2 ? 0xffff : 0xff);
    }
    return step_over(vcpu);
}

[[gnu::noinline]] Action doorbell_elsewhere(Vcpu& vcpu, Trap const& trap)
{
    Cpu& cpu = *vcpu.cpu;
    if (Vcpu* target = vcpu.partition->service->vcpu_on(*cpu.machine->cpus[trap.cpu]))
        ring(cpu, *target, trap.event);
    return Action::resume;
}

Action doorbell(Vcpu& vcpu, Trap const& trap)
{
    count(vcpu, ExitCounter::port_doorbell);
    arch::skip_instruction(vcpu);
    if (trap.cpu != vcpu.cpu->index) [[unlikely]]
        return doorbell_elsewhere(vcpu, trap);
    return ring_here(*vcpu.cpu, *vcpu.service, trap.event);
}

// A port that is nobody's, or whose answer is the service's.
[[gnu::always_inline]] inline Action other_port(Vcpu& vcpu, TrapKind whose, PortExit const& exit)
{
    if (whose == TrapKind::nobody)
        return unclaimed_port(vcpu, exit);
    count(vcpu, ExitCounter::port_service);
    abi::InterceptPage& page = *vcpu.page;
    page.kind = abi::InterceptKind::port;
    page.port = {exit.port(), exit.size(), exit.is_input(), 0, 0, 0, 0};
    vcpu.reply_length = arch::instruction_length(vcpu);
    return intercept(vcpu);
}

} // namespace

Action dispatch(Vcpu& vcpu, CpuidExit)
{
    count(vcpu, ExitCounter::cpuid);
    arch::answer_cpuid(vcpu);
    return step_over(vcpu);
}

Action dispatch(Vcpu& vcpu, HypercallExit)
{
    count(vcpu, ExitCounter::hypercall);
    arch::skip_instruction(vcpu);
    return hypercall(vcpu);
}

Action dispatch(Vcpu& vcpu, HaltExit)
{
    count(vcpu, ExitCounter::halt);
    if (vcpu.is_service())
        return service_failed(vcpu, "HLT");
    if (!arch::skip_instruction(vcpu))
        return stop_vcpu(vcpu, abi::StopReason::halted_forever, 0, 0);   // only an NMI or INIT could wake it, and it has none
    if (vcpu.apic.highest_pending() >= 0) {
        vcpu.look_at_interrupts();
        return Action::resume;
    }
    vcpu.status = VcpuStatus::halted;
    return Action::reschedule;
}

Action dispatch(Vcpu& vcpu, PortExit const& exit)
{
    // A service exits for a port of hv's own, and for every port where it owns no devices; in its table there is never anything.
    Trap const& trap = vcpu.partition->traps->at_port(exit.port());
    if (trap.kind == TrapKind::doorbell && !exit.is_input()) [[likely]]
        return doorbell(vcpu, trap);
    return other_port(vcpu, trap.kind, exit);
}

Action dispatch(Vcpu& vcpu, StringPortExit const& exit)
{
    if (vcpu.is_service())
        return service_failed(vcpu, "INS or OUTS", exit.port);
    // Claimed or not: INS writes memory, and that is the service's.
    count(vcpu, vcpu.partition->traps->find_port(exit.port) ? ExitCounter::port_service : ExitCounter::port_unclaimed);
    abi::InterceptPage& page = *vcpu.page;
    page.kind = abi::InterceptKind::port;
    page.port = {exit.port, exit.size, exit.is_input, 1, exit.is_rep, exit.address_size, exit.segment};
    arch::fill_execution_state(vcpu, page.execution);
    vcpu.reply_length = arch::instruction_length(vcpu);
    return intercept(vcpu);
}

Action dispatch(Vcpu& vcpu, MemoryExit const& exit)
{
    if (vcpu.is_service())
        return service_failed(vcpu, "access outside its memory", exit.address.value);
    Trap const* trap = vcpu.partition->traps->find_memory(exit.address.value);
    count(vcpu, trap ? ExitCounter::memory_service : ExitCounter::memory_unclaimed);
    abi::InterceptPage& page = *vcpu.page;
    page.kind = abi::InterceptKind::memory;
    page.memory = {exit.address.value, exit.is_write, exit.is_execute, trap != nullptr, {}};
    arch::fill_exit_state(vcpu, page.execution);
    vcpu.reply_length = 0;                     // decoding is the service's: it says how long the instruction is
    vcpu.interrupted_delivery = exit.during_delivery;
    return intercept(vcpu);
}

namespace {

// Not hv's to answer: the service's where it bound it, else there is no such register.
Action denied_msr(Vcpu& vcpu, u32 index, bool is_write)
{
    if (vcpu.is_service() || !vcpu.partition->traps->find_msr(index)) {
        count(vcpu, ExitCounter::msr_denied);
        return general_protection_fault(vcpu);
    }
    count(vcpu, ExitCounter::msr_service);
    vcpu.page->kind = abi::InterceptKind::msr;
    vcpu.page->msr = {index, is_write};
    vcpu.reply_length = arch::instruction_length(vcpu);
    return intercept(vcpu);
}

// An interrupt command: to every vCPU of the partition it names.
void send(Vcpu& sender, u64 command)
{
    ApicDelivery const delivery = ApicCommand::Delivery::get(command);
    // INIT and start-up wait for guests with several CPUs; NMI and SMI are not modelled: all dropped, as an absent target drops them.
    if (delivery != ApicDelivery::fixed && delivery != ApicDelivery::lowest_priority)
        return;
    for (Vcpu& target : sender.partition->vcpus)
        if (target.apic.is_destination(command, &target == &sender))
            raise_interrupt(*sender.cpu, target, ApicCommand::Vector::get(command), false);
}

Action apic_write(Vcpu& vcpu, u32 index, u64 value)
{
    ApicAction const action = vcpu.apic.write(index, value, arch::now());
    if (action == ApicAction::fault)
        return denied_msr(vcpu, index, true);
    count(vcpu, ExitCounter::apic);
    if (action == ApicAction::timer)
        watch_deadline(*vcpu.cpu, vcpu.apic.deadline());
    else if (action == ApicAction::send)
        send(vcpu, vcpu.apic.command());
    else if (action == ApicAction::interrupt)
        vcpu.look_at_interrupts();
    return step_over(vcpu);
}

u64 written_value(Vcpu& vcpu) { return (vcpu.registers().rdx << 32) | (vcpu.registers().rax & 0xffff'ffff); }

[[gnu::noinline]] Action request_of_self(Vcpu& vcpu, u8 vector)
{
    vcpu.apic.interrupt_self(vector);
    vcpu.look_at_interrupts();
    return Action::resume;
}

Action interrupt_self(Vcpu& vcpu, u8 vector)
{
    count(vcpu, ExitCounter::apic);
    // One that can be taken at the next instruction need not be kept first.
    if (!arch::skip_instruction(vcpu)) [[unlikely]]
        return request_of_self(vcpu, vector);
    if (vcpu.attention != 0 || !vcpu.apic.deliver_alone(vector)) [[unlikely]]
        return request_of_self(vcpu, vector);
    vcpu.counters->injected++;
    arch::inject_interrupt(vcpu, vector);
    return Action::resume;
}

[[gnu::noinline]] Action other_msr_write(Vcpu& vcpu, u32 index)
{
    using enum arch::MsrOutcome;
    u64 const value = written_value(vcpu);
    if (ApicRegister::is_one(index) && !vcpu.is_service())
        return apic_write(vcpu, index, value);
    arch::MsrOutcome const outcome = vcpu.is_service() ? denied : arch::write_msr(vcpu, index, value);
    if (outcome == left_x2apic)
        return stop_vcpu(vcpu, abi::StopReason::left_x2apic, 0, value);
    if (outcome == denied)
        return denied_msr(vcpu, index, true);
    count(vcpu, ExitCounter::msr_write);
    return step_over(vcpu);
}

[[gnu::noinline]] Action msr_read(Vcpu& vcpu, u32 index)
{
    auto const value = vcpu.is_service() ? std::nullopt : ApicRegister::is_one(index) ? vcpu.apic.read(index, arch::now()) : arch::read_msr(vcpu, index);
    if (!value)
        return denied_msr(vcpu, index, false);
    vcpu.registers().rax = *value & 0xffff'ffff;
    vcpu.registers().rdx = *value >> 32;
    count(vcpu, ExitCounter::msr_read);
    return step_over(vcpu);
}

} // namespace

Action dispatch(Vcpu& vcpu, MsrReadExit exit) { return msr_read(vcpu, exit.index); }

Action dispatch(Vcpu& vcpu, MsrWriteExit exit)
{
    if (vcpu.is_service()) [[unlikely]]
        return other_msr_write(vcpu, exit.index);
    switch (exit.index) {                      // the three that guests write all day
    [[likely]] case ApicRegister::end_of_interrupt:
        if (static_cast<u32>(vcpu.registers().rax | vcpu.registers().rdx) != 0)
            break;
        count(vcpu, ExitCounter::apic);
        if (vcpu.apic.end_interrupt())
            vcpu.look_at_interrupts();
        return step_over(vcpu);
    [[likely]] case ApicRegister::self_interrupt:
        if (static_cast<u32>(vcpu.registers().rdx) != 0 || !ApicModel::is_legal(static_cast<u32>(vcpu.registers().rax)))
            break;
        return interrupt_self(vcpu, static_cast<u8>(vcpu.registers().rax));
    case ApicRegister::tsc_deadline:
        count(vcpu, ExitCounter::tsc_deadline);
        if (vcpu.apic.write_deadline(written_value(vcpu)))
            watch_deadline(*vcpu.cpu, vcpu.apic.deadline());
        return step_over(vcpu);
    }
    return other_msr_write(vcpu, exit.index);
}

Action dispatch(Vcpu& vcpu, ControlExit exit)
{
    count(vcpu, ExitCounter::control_register);
    if (vcpu.is_service())
        return service_failed(vcpu, "control register");
    // CR8 is the task priority; the others only decide what the processor may do by itself when it retries.
    u64* const general = &vcpu.registers().rax + exit.general;
    if (exit.which == ControlExit::Register::cr8) {
        if (!exit.is_write) {
            *general = vcpu.apic.task_priority() >> 4;
        } else if (*general > 15) {
            return general_protection_fault(vcpu);
        } else {
            vcpu.apic.set_task_priority(static_cast<u8>(*general << 4));
            vcpu.look_at_interrupts();
        }
        return step_over(vcpu);
    }
    return arch::write_control(vcpu, exit, *general) ? Action::resume : general_protection_fault(vcpu);
}

Action dispatch(Vcpu& vcpu, DebugRegisterExit)
{
    count(vcpu, ExitCounter::debug_register);
    if (!arch::debug_registers_to_guest(*vcpu.cpu, vcpu))
        return service_failed(vcpu, "debug register");
    return Action::resume;                     // retried, and from now on without an exit
}

Action dispatch(Vcpu& vcpu, XsetbvExit)
{
    count(vcpu, ExitCounter::xsetbv);
    if ((vcpu.registers().rcx & 0xffff'ffff) != 0 || !arch::write_xcr0(vcpu, written_value(vcpu)))
        return general_protection_fault(vcpu);
    return step_over(vcpu);
}

Action dispatch(Vcpu& vcpu, CacheExit)
{
    count(vcpu, ExitCounter::cache);
    return step_over(vcpu);
}

Action dispatch(Vcpu& vcpu, DeniedExit exit)
{
    count(vcpu, ExitCounter::denied_instruction);
    arch::inject_exception(vcpu, exit.vector, exit.has_error ? std::optional{0u} : std::nullopt);
    return Action::resume;
}

Action dispatch(Vcpu& vcpu, ExceptionExit const& exit)
{
    count(vcpu, ExitCounter::exception);
    if (vcpu.is_service())
        return service_failed(vcpu, exit.vector == 7 ? "used the floating-point unit" : "exception");
    if (!arch::reflect_exception(vcpu, exit))
        return stop_vcpu(vcpu, abi::StopReason::triple_fault, exit.vector, exit.qualification);
    return Action::resume;
}

Action dispatch(Vcpu& vcpu, InterruptExit exit)
{
    count(vcpu, exit.vector == HostVector::timer ? ExitCounter::timer : ExitCounter::interrupt);
    Cpu& cpu = *vcpu.cpu;
    host_interrupt(cpu, exit.vector);
    if (!cpu.attention)
        return Action::resume;
    if (!vcpu.is_service())
        return Action::reschedule;
    serve_inbox(cpu);                          // a service runs until it waits, but another CPU may be waiting for one of these
    return Action::enter;
}

Action dispatch(Vcpu& vcpu, WatchdogExit)
{
    count(vcpu, ExitCounter::timer);
    Cpu& cpu = *vcpu.cpu;
    arch::take_pending_interrupts(cpu);
    vcpu.attention |= Attention::watchdog;
    return cpu.attention || arch::now() >= cpu.slice_end ? Action::reschedule : Action::resume;
}

Action dispatch(Vcpu& vcpu, WindowExit)
{
    count(vcpu, ExitCounter::interrupt_window);
    vcpu.look_at_interrupts();
    return Action::resume;
}

[[gnu::cold]] Action dispatch(Vcpu& vcpu, NmiExit)
{
    log_line("NMI on cpu ", vcpu.cpu->index, " while partition ", vcpu.partition->number, " ran");
    return Action::resume;
}

[[gnu::cold]] Action dispatch(Vcpu& vcpu, FatalExit const& exit)
{
    count(vcpu, ExitCounter::other);
    return vcpu.is_service() ? service_failed(vcpu, exit.what, exit.reason) : stop_vcpu(vcpu, exit.why, exit.reason, exit.qualification);
}

} // namespace kennel
