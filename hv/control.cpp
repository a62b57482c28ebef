// SPDX-License-Identifier: Apache-2.0
//
// The calls that are not on the path of a request: arguments copied from the registers once, checked into objects and
// ranges, then the noun that owns the matter is called. One function per call; the two switches at the end are the table.
#include "hv/clock.hpp"
#include "hv/cpu.hpp"
#include "hv/event.hpp"
#include "hv/hypercall.hpp"
#include "hv/intercept.hpp"
#include "hv/log.hpp"

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

    void give(u64 rdi, u64 rsi = 0) { vcpu.registers().rdi = rdi, vcpu.registers().rsi = rsi; }
    // One of the caller's own vCPUs; null: there is none with that index.
    Vcpu* own(u64 index) { return index < machine.cpu_count ? partition.vcpu_on(*machine.cpus[index]) : nullptr; }
};

// A call on the object that rdi names: found, with the right it takes, before its function sees it.
template<Right right, class T> Status on(Caller& caller, Arguments const& a, Status (&call)(Caller&, T&, Arguments const&))
{
    T* object = nullptr;
    Status const status = caller.partition.handles->find(a.rdi, right, object);
    return status == Status::ok ? call(caller, *object, a) : status;
}

// ---- partitions and their memory ----

Status partition_create(Caller& caller, Arguments const& a)
{
    if (a.rdi < least_frames || a.rdi > (1u << 20))
        return Status::bad_argument;
    Partition* created = create_partition(caller.machine, a.rdi, &caller.partition);
    if (!created)
        return Status::no_memory;
    u64 handle = 0;
    {
        auto control = caller.machine.control.lock();
        handle = caller.partition.handles->add(created, Right::all);
        if (!handle)
            forget_partition(*control, *created);
    }
    if (!handle) {
        destroy_partition(caller.cpu, *created);
        return Status::full;
    }
    caller.give(handle);
    return Status::ok;
}

Status partition_destroy(Caller& caller, Arguments const& a)
{
    Partition* partition = nullptr;
    {
        // Found and forgotten in one step, so that of two CPUs that try one succeeds.
        auto control = caller.machine.control.lock();
        if (Status status = caller.partition.handles->find(a.rdi, Right::destroy, partition); status != Status::ok)
            return status;
        forget_partition(*control, *partition);
    }
    destroy_partition(caller.cpu, *partition);
    return Status::ok;
}

Status memory_map(Caller& caller, Partition& partition, Arguments const& a)
{
    u64 const rights = a.r9 & 0xff, type = (a.r9 >> 8) & 0xff;
    if (!is_aligned(a.rsi | a.rdx | a.r8, page_size) || a.r8 == 0 || rights == 0 || rights > 7 || !(rights & 1) || (a.r9 >> 16) ||
        (type != 0 && type != 1 && type != 6) || a.rsi >= address_limit || a.rdx >= address_limit || a.r8 > address_limit - a.rsi ||
        a.r8 > address_limit - a.rdx)
        return Status::bad_argument;
    // A service's own memory lies where it is, and only the text it came with is executed.
    if (&partition == &caller.partition && (a.rsi != a.rdx || (rights & static_cast<u64>(abi::MapRights::execute))))
        return Status::bad_argument;
    if (!caller.partition.owns({a.rdx}, a.r8))
        return Status::not_owner;
    Status const status = arch::map(partition, {a.rsi}, {a.rdx}, {a.r8}, static_cast<u32>(rights), static_cast<abi::MemoryType>(type));
    if (status != Status::ok)
        arch::invalidate(caller.machine, partition);   // a part of it was there for a moment, and another CPU may run the partition
    return status;
}

Status memory_unmap(Caller& caller, Partition& partition, Arguments const& a)
{
    if (partition.is_service())
        return Status::bad_handle;
    if (!is_aligned(a.rsi | a.r8, page_size) || a.r8 == 0 || a.rsi >= address_limit || a.r8 > address_limit - a.rsi)
        return Status::bad_argument;
    arch::unmap(partition, {a.rsi}, {a.r8});
    arch::invalidate(caller.machine, partition);
    return Status::ok;
}

// ---- vCPUs ----

Status vcpu_create(Caller& caller, Partition& partition, Arguments const& a)
{
    // For now a vCPU is created by the service's vCPU that will answer it.
    if (a.rsi != caller.cpu.index || a.rdx == 0 || a.r8 < 1 || a.r8 > 1000 || a.r9 > 254)
        return Status::bad_argument;
    for (Vcpu& other : partition.vcpus)
        if (other.apic.id() == a.r9)
            return Status::overlap;
    Vcpu* vcpu = create_vcpu(partition, caller.cpu, &caller.vcpu, a.rdx, static_cast<u32>(a.r8), static_cast<u32>(a.r9));
    if (!vcpu)
        return Status::no_memory;
    u64 const handle = caller.partition.handles->add(vcpu, Right::all);
    if (!handle)
        return Status::full;                   // its frames stay with the partition until that is destroyed
    caller.cpu.all.push_back(*vcpu);
    caller.give(handle, caller.machine.block.physical(vcpu->page).value);
    return Status::ok;
}

Status reply(Caller& caller, Vcpu& guest, Arguments const&) { return answer(caller.cpu, guest); }

Status vcpu_start(Caller& caller, Vcpu& vcpu, Arguments const&)
{
    if (vcpu.status != VcpuStatus::ready)
        return Status::bad_state;
    caller.partition.done.store(false, std::memory_order_relaxed);
    request(caller.cpu, vcpu, Request::start);
    return Status::ok;
}

Status vcpu_stop(Caller& caller, Vcpu& vcpu, Arguments const&)
{
    request(caller.cpu, vcpu, Request::stop);
    return Status::ok;
}

// Of this CPU and not running: only then do its registers belong to hv's memory.
bool is_resting(Caller const& caller, Vcpu const& vcpu)
{
    return vcpu.cpu == &caller.cpu && vcpu.status != VcpuStatus::runnable && vcpu.status != VcpuStatus::halted;
}

Status vcpu_state_get(Caller& caller, Vcpu& vcpu, Arguments const&)
{
    if (!is_resting(caller, vcpu))
        return Status::bad_state;
    arch::get_state(vcpu, vcpu.page->state);
    return Status::ok;
}

Status vcpu_state_set(Caller& caller, Vcpu& vcpu, Arguments const& a)
{
    if (!is_resting(caller, vcpu) || (vcpu.status == VcpuStatus::intercepted && !vcpu.ended))
        return Status::bad_state;
    abi::VcpuState const state = vcpu.page->state;   // one copy; the page may change under us
    if (Status status = arch::set_state(vcpu, state); status != Status::ok)
        return status;
    if (a.rsi == 1)
        reset_vcpu(vcpu);
    vcpu.ended = false;
    vcpu.status = VcpuStatus::ready;
    return Status::ok;
}

// ---- traps, events, interrupts ----

// Changes a copy of the guest's trap table and publishes it.
template<class Change> Status change_traps(Caller& caller, Partition& partition, Change&& change)
{
    *partition.spare = *partition.traps;
    if (Status status = change(*partition.spare); status != Status::ok)
        return status;
    publish_traps(caller.machine, partition);
    return Status::ok;
}

Status doorbell_bind(Caller& caller, Partition& guest, Arguments const& a)
{
    if ((a.rdx != 1 && a.rdx != 2 && a.rdx != 4) || a.r8 >= abi::max_events || a.r9 >= caller.machine.cpu_count)
        return Status::bad_argument;
    Trap const bell{TrapKind::doorbell, static_cast<u8>(a.r9), static_cast<u16>(a.r8)};
    return change_traps(caller, guest, [&](TrapTable& traps) { return traps.bind(abi::RangeKind::port, a.rsi, a.rdx, bell); });
}

Status intercept_bind(Caller& caller, Partition& guest, Arguments const& a)
{
    Trap const trap{TrapKind::intercept, 0, 0};
    return change_traps(caller, guest, [&](TrapTable& traps) { return traps.bind(static_cast<abi::RangeKind>(a.rsi), a.rdx, a.r8, trap); });
}

Status unbind(Caller& caller, Partition& guest, Arguments const& a)
{
    return change_traps(caller, guest, [&](TrapTable& traps) { return traps.unbind(static_cast<abi::RangeKind>(a.rsi), a.rdx); });
}

Status interrupt_bind(Caller& caller, Arguments const& a)
{
    Vcpu* target = caller.own(a.r8);
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

Status interrupt_ack(Caller& caller, Interrupt& interrupt, Arguments const&)
{
    if (interrupt.level)
        arch::mask_line(caller.machine, interrupt.line, false);
    return Status::ok;
}

Status interrupt_raise(Caller& caller, Partition& guest, Arguments const& a) { return raise_message(caller.cpu, guest, a.rsi, a.rdx); }

Status event_raise(Caller& caller, Arguments const& a)
{
    Vcpu* target = caller.own(a.rdi);
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
    caller.vcpu.clock_deadline = a.rdi ? a.rdi : 1;    // 0 would switch the timer off that all on this CPU wait for
    watch_deadline(caller.cpu, caller.vcpu.clock_deadline);
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
        text[length++] = abi::frame_mark;
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
    if (a.rdi > 1 || a.rsi > 1)
        return Status::bad_argument;
    if (a.rdi == 0)
        return service_done(caller.machine, caller.partition, a.rsi == 1);
    if (!caller.partition.owns_devices)
        return Status::not_owner;
    arch::power(caller.machine, true);
    return Status::bad_state;                  // the machine has no way we know
}

// Everything that changes what others see: one at a time.
Status exclusive_call(Caller& caller, Call call, Arguments const& a)
{
    auto control = caller.machine.control.lock();
    switch (call) {
    case Call::memory_map:        return on<Right::map>(caller, a, memory_map);
    case Call::memory_unmap:      return on<Right::map>(caller, a, memory_unmap);
    case Call::vcpu_create:       return on<Right::create>(caller, a, vcpu_create);
    case Call::doorbell_bind:     return on<Right::bind>(caller, a, doorbell_bind);
    case Call::intercept_bind:    return on<Right::bind>(caller, a, intercept_bind);
    case Call::unbind:            return on<Right::bind>(caller, a, unbind);
    case Call::interrupt_bind:    return interrupt_bind(caller, a);
    default:                      return Status::bad_call;
    }
}

Status any_call(Caller& caller, Call call, Arguments const& a)
{
    switch (call) {
    case Call::reply:             return on<Right::run>(caller, a, reply);
    case Call::partition_create:  return partition_create(caller, a);
    case Call::partition_destroy: return partition_destroy(caller, a);
    case Call::vcpu_start:        return on<Right::run>(caller, a, vcpu_start);
    case Call::vcpu_stop:         return on<Right::run>(caller, a, vcpu_stop);
    case Call::vcpu_state_get:    return on<Right::state>(caller, a, vcpu_state_get);
    case Call::vcpu_state_set:    return on<Right::state>(caller, a, vcpu_state_set);
    case Call::interrupt_ack:     return on<Right::interrupt>(caller, a, interrupt_ack);
    case Call::interrupt_raise:   return on<Right::interrupt>(caller, a, interrupt_raise);
    case Call::event_raise:       return event_raise(caller, a);
    case Call::clock:             return clock(caller, a);
    case Call::log:               return log(caller, a);
    case Call::machine_power:     return machine_power(caller, a);
    default:                      return exclusive_call(caller, call, a);
    }
}

} // namespace

Status control_call(Vcpu& vcpu, u64 number)
{
    if (!arch::at_privilege_zero(vcpu))
        return Status::bad_call;
    abi::Registers const& registers = vcpu.registers();
    Caller caller{vcpu, *vcpu.partition, *vcpu.cpu->machine, *vcpu.cpu};
    Arguments const arguments{registers.rdi, registers.rsi, registers.rdx, registers.r8, registers.r9};
    return any_call(caller, static_cast<Call>(number), arguments);
}

} // namespace kennel
