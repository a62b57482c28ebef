// SPDX-License-Identifier: Apache-2.0
//
// See interrupt.hpp.
#include "hv/interrupt.hpp"
#include "hv/clock.hpp"
#include "hv/cpu.hpp"
#include "hv/event.hpp"
#include "hv/log.hpp"

namespace kennel {

void host_interrupt(Cpu& cpu, u8 vector)
{
    if (vector == HostVector::timer) {
        timer_interrupt(cpu);
        arch::end_of_interrupt(cpu);
    } else if (vector == HostVector::kick) {
        arch::end_of_interrupt(cpu);
        cpu.attention = true;                  // the inbox is looked at when choosing anew
        arch::relax();                         // and translations are dropped at once
    } else if (Interrupt* interrupt = cpu.machine->interrupts.by_vector(vector); interrupt && interrupt->target) {
        // A level line stays asserted until the driver is done: masked first, or it would arrive again at once.
        if (interrupt->level)
            arch::mask_line(*cpu.machine, interrupt->line, true);
        arch::end_of_interrupt(cpu);
        ring(cpu, *interrupt->target, interrupt->event);
    } else if (vector != HostVector::spurious) {
        arch::end_of_interrupt(cpu);
        log_line("stray interrupt, vector ", vector, " on cpu ", cpu.index);
    }
}

abi::Status bind_interrupt(Machine& machine, Partition& service, u64 kind, u64 line, u64 event, Vcpu& target, u64 mode,
                           Interrupt*& bound, u64& message)
{
    using abi::LineMode, abi::Status;
    if (!service.owns_devices)
        return Status::not_owner;
    if (event >= abi::max_events || kind > 2 || mode > 2 || (kind == 0 && line > 15) || line > 1023)
        return Status::bad_argument;

    bool level = mode == static_cast<u64>(LineMode::level_low), active_low = level;
    u32 global_line = static_cast<u32>(line);
    if (kind == 0)
        for (u32 i = 0; i < machine.boot->override_count && i < abi::max_line_overrides; i++)
            if (auto const& entry = machine.boot->overrides[i]; entry.isa_line == line) {
                global_line = entry.global_line;
                if (mode == static_cast<u64>(LineMode::as_isa))
                    level = entry.level, active_low = entry.active_low;
            }

    Interrupt* entry = nullptr;
    for (Interrupt& other : machine.interrupts.entries) {
        if (!other.target)
            entry = entry ? entry : &other;
        else if (kind != 2 && other.line == global_line)
            return Status::overlap;            // taken by another event already
    }
    if (!entry)
        return Status::full;
    u8 const vector = static_cast<u8>(HostVector::first_device + (entry - machine.interrupts.entries));
    u32 const cpu = target.cpu->index;
    if (kind == 2 ? !arch::message_for(machine, cpu, vector, message) : !arch::route_line(machine, global_line, level, active_low, vector, cpu))
        return Status::bad_argument;
    *entry = {&target, static_cast<u32>(event), kind == 2 ? no_line : global_line, level};
    if (kind != 2)
        arch::mask_line(machine, global_line, false);
    bound = entry;
    return Status::ok;
}

// By logical destination, or to all.
[[gnu::noinline]] static void raise_for_several(Cpu& here, Partition& guest, u32 destination, bool logical, u64 data)
{
    bool const lowest_priority = ((data >> 8) & 7) == 1;
    for (Vcpu& vcpu : guest.vcpus) {
        u32 const id = vcpu.apic.id();
        // Logical x2APIC ids: 16 per cluster, and 8 bits reach the first half of cluster 0 only.
        if (destination != 0xff && logical && (id >= 8 || !((destination >> id) & 1)))
            continue;
        raise_interrupt(here, vcpu, static_cast<u8>(data), (data >> 15) & 1);
        if (lowest_priority)
            break;
    }
}

// Inlined into the exit path: almost every message of a service's is for one vCPU, which runs next.
[[gnu::always_inline]] abi::Status raise_message(Cpu& here, Partition& guest, u64 address, u64 data)
{
    // SDM, "Message Address Register Format": 0xFEE in bits 31:20, destination in 19:12, destination mode in bit 2.
    if (address >> 20 != 0xfee || ((data >> 8) & 7) > 1 || (data & 0xff) < 16) [[unlikely]]
        return abi::Status::bad_argument;
    u32 const destination = (address >> 12) & 0xff;
    bool const logical = (address >> 2) & 1;
    if (logical || destination == 0xff) [[unlikely]] {
        raise_for_several(here, guest, destination, logical, data);
        return abi::Status::ok;
    }
    for (Vcpu& vcpu : guest.vcpus)
        if (vcpu.apic.id() == destination) {
            raise_interrupt(here, vcpu, static_cast<u8>(data), (data >> 15) & 1);
            break;
        }
    return abi::Status::ok;
}

} // namespace kennel
