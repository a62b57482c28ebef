// SPDX-License-Identifier: Apache-2.0
//
// See hypercall.hpp. One function per call; the switch at the end is the table of hv/abi/hypercall.hpp.
#include "hv/hypercall.hpp"
#include "hv/clock.hpp"
#include "hv/cpu.hpp"
#include "hv/event.hpp"
#include "hv/intercept.hpp"
#include "hv/log.hpp"
#include "hv/schedule.hpp"

namespace kennel {

namespace {

using abi::Call, abi::Right, abi::Status;

constexpr u64 address_limit = 1ull << 46;      // what four levels of tables and every supported processor hold

// The arguments as they were when the call began: a copy, so nothing can change them any more.
struct Arguments { u64 rdi, rsi, rdx, r8, r9; };

struct Caller {
    Vcpu&      vcpu;
    Partition& partition;
    Machine&   machine;
    Cpu&       cpu;
    Status     why = Status::ok;               // of the last find that found nothing

    // The object behind a handle; null: see `why`.
    template<class T> T* find(u64 handle, Right right)
    {
        T* object = nullptr;
        why = partition.handles->find(handle, right, object);
        return why == Status::ok ? object : nullptr;
    }
    void give(u64 rdi) { vcpu.registers().rdi = rdi; }
    void give(u64 rdi, u64 rsi) { vcpu.registers().rdi = rdi; vcpu.registers().rsi = rsi; }
};

Action finish(Vcpu& vcpu, Status status)
{
    vcpu.registers().rax = static_cast<u64>(status);
    return Action::resume;
}

// ---- wait and reply ----

Action wait(Vcpu& service)
{
    Cpu& cpu = *service.cpu;
    if (service.waiting_guests || events_pending(service)) {
        finish_wait(service);
        return Action::resume;
    }
    service.status = VcpuStatus::waiting;
    service.in_wait = true;
    // The guest whose turn it is goes on, unless something changed meanwhile.
    Vcpu* guest = cpu.charged;
    if (guest && guest->status == VcpuStatus::runnable && !cpu.attention) [[likely]] {
        cpu.current = guest;
        return Action::resume;
    }
    return Action::reschedule;
}

[[gnu::noinline, gnu::cold]] Action refuse(Vcpu& service, u64 handle)
{
    Vcpu* guest = nullptr;
    return finish(service, service.partition->handles->find(handle, Right::run, guest));
}

Action reply_and_wait(Vcpu& service, u64 handle)
{
    Vcpu* const guest = service.partition->handles->get<Vcpu>(handle, Right::run);
    if (!guest) [[unlikely]]
        return refuse(service, handle);
    if (Status status = answer(*service.cpu, *guest); status != Status::ok) [[unlikely]]
        return finish(service, status);
    return wait(service);
}

Status reply(Caller& caller, Arguments const& a)
{
    auto* guest = caller.find<Vcpu>(a.rdi, Right::run);
    if (!guest) return caller.why;
    return answer(caller.cpu, *guest);
}

// ---- partitions and their memory ----

// A guest of the caller's: what only guests have (traps, interrupts).
Partition* find_guest(Caller& caller, u64 handle, Right right)
{
    auto* partition = caller.find<Partition>(handle, right);
    if (partition && partition->is_service())
        caller.why = Status::bad_handle;
    return caller.why == Status::ok ? partition : nullptr;
}

Status partition_create(Caller& caller, Arguments const& a)
{
    if (a.rdi < 16 || a.rdi > (1u << 20))
        return Status::bad_argument;
    Partition* created = create_partition(caller.machine, a.rdi, &caller.partition);
    if (!created)
        return Status::no_memory;
    u64 const handle = caller.partition.handles->add(created, Right::all);
    if (!handle) {
        destroy_partition(caller.cpu, *created);
        return Status::full;
    }
    caller.give(handle);
    return Status::ok;
}

Status partition_destroy(Caller& caller, Arguments const& a)
{
    Partition* const partition = find_guest(caller, a.rdi, Right::destroy);
    if (!partition) return caller.why;
    caller.partition.handles->forget(partition);
    for (Vcpu& vcpu : partition->vcpus)
        caller.partition.handles->forget(&vcpu);
    destroy_partition(caller.cpu, *partition);
    return Status::ok;
}

Status memory_map(Caller& caller, Arguments const& a)
{
    auto* const partition = caller.find<Partition>(a.rdi, Right::map);
    if (!partition) return caller.why;
    u64 const rights = a.r9 & 0xff, type = (a.r9 >> 8) & 0xff;
    if (!is_aligned(a.rsi | a.rdx | a.r8, page_size) || a.r8 == 0 || rights == 0 || rights > 7 || !(rights & 1) || (a.r9 >> 16) ||
        (type != 0 && type != 1 && type != 6) || a.rsi >= address_limit || a.rdx >= address_limit || a.r8 > address_limit - a.rsi ||
        a.r8 > address_limit - a.rdx)
        return Status::bad_argument;
    if (!caller.partition.owns({a.rdx}, a.r8))
        return Status::not_owner;
    return arch::map(*partition, {a.rsi}, {a.rdx}, {a.r8}, static_cast<u32>(rights), static_cast<abi::MemoryType>(type));
}

Status memory_unmap(Caller& caller, Arguments const& a)
{
    Partition* const partition = find_guest(caller, a.rdi, Right::map);
    if (!partition) return caller.why;
    if (!is_aligned(a.rsi | a.r8, page_size) || a.rsi >= address_limit || a.r8 > address_limit - a.rsi)
        return Status::bad_argument;
    arch::unmap(*partition, {a.rsi}, {a.r8});
    arch::invalidate(caller.machine, *partition);
    return Status::ok;
}

// ---- vCPUs ----

Status vcpu_create(Caller& caller, Arguments const& a)
{
    Partition* const partition = find_guest(caller, a.rdi, Right::create);
    if (!partition) return caller.why;
    if (a.rsi >= caller.machine.cpu_count || a.rdx == 0 || a.r8 < 1 || a.r8 > 1000 || a.r9 > 254)
        return Status::bad_argument;
    if (a.rsi != caller.cpu.index)
        return Status::bad_argument;           // for now a vCPU is created by the service's vCPU that will answer it
    for (Vcpu& other : partition->vcpus)
        if (other.apic.id() == a.r9)
            return Status::overlap;
    Vcpu* vcpu = create_vcpu(*partition, caller.cpu, &caller.vcpu, a.rdx, static_cast<u32>(a.r8), static_cast<u32>(a.r9));
    if (!vcpu)
        return Status::no_memory;
    u64 const handle = caller.partition.handles->add(vcpu, Right::all);
    if (!handle)
        return Status::full;                   // its frames stay with the partition until that is destroyed
    caller.give(handle, caller.machine.block.physical(vcpu->page).value);
    return Status::ok;
}

// A vCPU of this CPU that is not running: only then do its registers belong to hv's memory.
Vcpu* find_resting(Caller& caller, u64 handle)
{
    auto* vcpu = caller.find<Vcpu>(handle, Right::state);
    if (vcpu && (vcpu->cpu != &caller.cpu || vcpu->status == VcpuStatus::runnable || vcpu->status == VcpuStatus::halted))
        caller.why = Status::bad_state;
    return caller.why == Status::ok ? vcpu : nullptr;
}

Status vcpu_start(Caller& caller, Arguments const& a)
{
    auto* vcpu = caller.find<Vcpu>(a.rdi, Right::run);
    if (!vcpu) return caller.why;
    if (vcpu->status != VcpuStatus::ready)
        return Status::bad_state;
    request(caller.cpu, *vcpu, Request::start);
    return Status::ok;
}

Status vcpu_stop(Caller& caller, Arguments const& a)
{
    auto* vcpu = caller.find<Vcpu>(a.rdi, Right::run);
    if (!vcpu) return caller.why;
    request(caller.cpu, *vcpu, Request::stop);
    return Status::ok;
}

Status vcpu_state_get(Caller& caller, Arguments const& a)
{
    Vcpu* const vcpu = find_resting(caller, a.rdi);
    if (!vcpu) return caller.why;
    arch::get_state(*vcpu, vcpu->page->state);
    return Status::ok;
}

Status vcpu_state_set(Caller& caller, Arguments const& a)
{
    Vcpu* const vcpu = find_resting(caller, a.rdi);
    if (!vcpu) return caller.why;
    if (vcpu->status == VcpuStatus::intercepted && !vcpu->ended)
        return Status::bad_state;
    abi::VcpuState const state = vcpu->page->state;   // one copy; the page may change under us
    if (Status status = arch::set_state(*vcpu, state); status != Status::ok)
        return status;
    if (a.rsi == 1)
        reset_vcpu(*vcpu);
    vcpu->ended = false;
    vcpu->status = VcpuStatus::ready;
    return Status::ok;
}

// ---- traps, events, interrupts ----

// Changes a copy of the guest's trap table and publishes it.
template<class Change> Status change_traps(Caller& caller, u64 handle, Change&& change)
{
    Partition* const partition = find_guest(caller, handle, Right::bind);
    if (!partition) return caller.why;
    *partition->spare = *partition->traps;
    if (Status status = change(*partition->spare); status != Status::ok)
        return status;
    publish_traps(caller.machine, *partition);
    return Status::ok;
}

Status doorbell_bind(Caller& caller, Arguments const& a)
{
    bool const is_address = a.rsi >> 63;
    u64 const where = a.rsi & ~(1ull << 63);
    if ((a.rdx != 1 && a.rdx != 2 && a.rdx != 4) || a.r8 >= abi::max_events || a.r9 >= caller.machine.cpu_count)
        return Status::bad_argument;
    if (is_address)
        return Status::bad_argument;           // doorbells in memory would need decoding: use a port
    if (where > 0xffff || where + a.rdx > 0x10000)
        return Status::bad_argument;
    return change_traps(caller, a.rdi, [&](TrapTable& traps) {
        return traps.bind_port(static_cast<u16>(where), static_cast<u32>(a.rdx),
                               Trap{TrapKind::doorbell, static_cast<u8>(a.rdx), static_cast<u8>(a.r9), static_cast<u16>(a.r8)});
    });
}

Status intercept_bind(Caller& caller, Arguments const& a)
{
    Trap const trap{TrapKind::intercept, 0, 0, 0};
    switch (static_cast<abi::RangeKind>(a.rsi)) {
    case abi::RangeKind::port:
        if (a.rdx > 0xffff || a.r8 == 0 || a.r8 > 0x10000 - a.rdx)
            return Status::bad_argument;
        return change_traps(caller, a.rdi, [&](TrapTable& t) { return t.bind_port(static_cast<u16>(a.rdx), static_cast<u32>(a.r8), trap); });
    case abi::RangeKind::memory:
        if (a.rdx >= address_limit || a.r8 == 0 || a.r8 > address_limit - a.rdx)
            return Status::bad_argument;
        return change_traps(caller, a.rdi, [&](TrapTable& t) { return t.bind_memory(a.rdx, a.r8, trap); });
    case abi::RangeKind::msr:
        if (a.rdx > 0xffff'ffff || a.r8 == 0 || a.r8 > 0x1'0000'0000 - a.rdx)
            return Status::bad_argument;
        return change_traps(caller, a.rdi, [&](TrapTable& t) { return t.bind_msr(static_cast<u32>(a.rdx), static_cast<u32>(a.r8), trap); });
    }
    return Status::bad_argument;
}

Status unbind(Caller& caller, Arguments const& a)
{
    switch (static_cast<abi::RangeKind>(a.rsi)) {
    case abi::RangeKind::port:
        if (a.rdx > 0xffff)
            return Status::bad_argument;
        return change_traps(caller, a.rdi, [&](TrapTable& t) { return t.unbind_port(static_cast<u16>(a.rdx)); });
    case abi::RangeKind::memory:
        return change_traps(caller, a.rdi, [&](TrapTable& t) { return t.unbind_memory(a.rdx); });
    case abi::RangeKind::msr:
        if (a.rdx > 0xffff'ffff)
            return Status::bad_argument;
        return change_traps(caller, a.rdi, [&](TrapTable& t) { return t.unbind_msr(static_cast<u32>(a.rdx)); });
    }
    return Status::bad_argument;
}

// One of the caller's own vCPUs.
Vcpu* own_vcpu(Caller& caller, u64 index)
{
    return index < caller.machine.cpu_count ? caller.partition.vcpu_on(*caller.machine.cpus[index]) : nullptr;
}

Status interrupt_bind(Caller& caller, Arguments const& a)
{
    Vcpu* target = own_vcpu(caller, a.r8);
    if (!target)
        return Status::bad_argument;
    Interrupt* interrupt = nullptr;
    u64 message = 0;
    if (Status status = bind_interrupt(caller.machine, caller.partition, a.rdi, a.rsi, a.rdx, *target, a.r9, interrupt, message); status != Status::ok)
        return status;
    u64 const handle = caller.partition.handles->add(interrupt, Right::all);
    if (!handle) {
        interrupt->target = nullptr;
        return Status::full;
    }
    caller.give(handle, message);
    return Status::ok;
}

Status interrupt_ack(Caller& caller, Arguments const& a)
{
    auto* interrupt = caller.find<Interrupt>(a.rdi, Right::interrupt);
    if (!interrupt) return caller.why;
    acknowledge_interrupt(caller.machine, *interrupt);
    return Status::ok;
}

Status interrupt_raise(Caller& caller, Arguments const& a)
{
    Partition* const guest = find_guest(caller, a.rdi, Right::interrupt);
    if (!guest) return caller.why;
    return raise_message(caller.cpu, *guest, a.rsi, a.rdx);
}

Status event_raise(Caller& caller, Arguments const& a)
{
    Vcpu* target = own_vcpu(caller, a.rdi);
    if (!target || a.rsi >= abi::max_events)
        return Status::bad_argument;
    ring(caller.cpu, *target, static_cast<u32>(a.rsi));
    return Status::ok;
}

// ---- time, log, power ----

Status clock(Caller& caller, Arguments const& a)
{
    if (a.rsi >= abi::max_events)
        return Status::bad_argument;
    caller.vcpu.clock_event = static_cast<u32>(a.rsi);
    caller.vcpu.clock_deadline = a.rdi;
    watch_deadline(caller.cpu, a.rdi);
    return Status::ok;
}

Status log(Caller& caller, Arguments const& a)
{
    if (a.rdi == 0 || a.rdi > abi::log_text_bytes || a.rsi > 1)
        return Status::bad_argument;
    // Only what a terminal may see; the frame mark is ours to give, and only where the service asked for it.
    char text[abi::log_text_bytes + 2];
    usize length = 0;
    if (a.rsi == 1)
        text[length++] = '\x1e';
    for (u64 i = 0; i < a.rdi; i++) {
        char const c = __atomic_load_n(&caller.vcpu.events->text[i], __ATOMIC_RELAXED);
        text[length++] = (c >= ' ' && c < 127) || c == '\n' || c == '\t' ? c : '?';
    }
    if (text[length - 1] != '\n')
        text[length++] = '\n';
    log_text({text, length});
    return Status::ok;
}

Status machine_power(Caller& caller, Arguments const& a)
{
    if (!caller.partition.owns_devices)
        return Status::not_owner;
    if (a.rdi > 1)
        return Status::bad_argument;
    arch::power(caller.machine, a.rdi == 1);
    return Status::bad_state;                  // the machine has no way we know
}

Status control_call(Caller& caller, Call call, Arguments const& a)
{
    // Everything that changes what others see: one at a time.
    auto control = caller.machine.control.lock();
    switch (call) {
    case Call::memory_map:        return memory_map(caller, a);
    case Call::memory_unmap:      return memory_unmap(caller, a);
    case Call::vcpu_create:       return vcpu_create(caller, a);
    case Call::doorbell_bind:     return doorbell_bind(caller, a);
    case Call::intercept_bind:    return intercept_bind(caller, a);
    case Call::unbind:            return unbind(caller, a);
    case Call::interrupt_bind:    return interrupt_bind(caller, a);
    default:                      return Status::bad_call;
    }
}

Status service_call(Caller& caller, u64 number, Arguments const& a)
{
    switch (static_cast<Call>(number)) {
    case Call::reply:             return reply(caller, a);
    case Call::partition_create:  return partition_create(caller, a);
    case Call::partition_destroy: return partition_destroy(caller, a);
    case Call::vcpu_start:        return vcpu_start(caller, a);
    case Call::vcpu_stop:         return vcpu_stop(caller, a);
    case Call::vcpu_state_get:    return vcpu_state_get(caller, a);
    case Call::vcpu_state_set:    return vcpu_state_set(caller, a);
    case Call::interrupt_ack:     return interrupt_ack(caller, a);
    case Call::interrupt_raise:   return interrupt_raise(caller, a);
    case Call::event_raise:       return event_raise(caller, a);
    case Call::clock:             return clock(caller, a);
    case Call::log:               return log(caller, a);
    case Call::machine_power:     return machine_power(caller, a);
    default:                      return control_call(caller, static_cast<Call>(number), a);
    }
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

// Not on the path of a request: out of line, so that its locals cost the two calls above nothing.
[[gnu::noinline]] Action other_call(Vcpu& vcpu, u64 number)
{
    if (!arch::at_privilege_zero(vcpu))
        return finish(vcpu, Status::bad_call);
    abi::Registers const& registers = vcpu.registers();
    Caller caller{vcpu, *vcpu.partition, *vcpu.cpu->machine, *vcpu.cpu};
    Arguments const arguments{registers.rdi, registers.rsi, registers.rdx, registers.r8, registers.r9};
    return finish(vcpu, service_call(caller, number, arguments));
}

} // namespace

Action hypercall(Vcpu& vcpu)
{
    if (!vcpu.is_service)
        return guest_call(vcpu);
    abi::Registers& registers = vcpu.registers();
    u64 const number = registers.rax;
    if (number == static_cast<u64>(Call::reply_and_wait)) [[likely]]
        return reply_and_wait(vcpu, registers.rdi);
    if (number == static_cast<u64>(Call::wait))
        return wait(vcpu);
    return other_call(vcpu, number);
}

} // namespace kennel
