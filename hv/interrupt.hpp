// SPDX-License-Identifier: Apache-2.0
//
// Physical interrupts: a line or message -> a host vector on one CPU -> an event of a service's vCPU.
// hv does not know what device it is; the service that owns the devices binds, acknowledges and programs.
#pragma once
#include "hv/abi/hypercall.hpp"
#include "hv/address.hpp"

namespace kennel {

struct Cpu;
struct Vcpu;
struct Machine;
struct Partition;

// Host vectors. Devices share the middle; the priority classes above them are hv's own.
struct HostVector {
    static constexpr u8 first_device = 0x30, last_device = 0xdf;
    static constexpr u8 timer = 0xe0, kick = 0xe1, spurious = 0xff;
};

inline constexpr u32 no_line = ~0u;

struct Interrupt {
    Vcpu* target = nullptr;      // service vCPU whose event is set; null: free
    u32   event  = 0;
    u32   line   = 0;            // global; no_line: a message
    bool  level  = false;        // masked from arrival until interrupt_ack
};

// All bound interrupts of the machine, by vector: a vector means the same on every CPU.
struct InterruptTable {
    static constexpr u32 capacity = HostVector::last_device - HostVector::first_device + 1;
    Interrupt entries[capacity];

    Interrupt* by_vector(u8 vector)
    {
        return vector >= HostVector::first_device && vector <= HostVector::last_device ? &entries[vector - HostVector::first_device] : nullptr;
    }
};

// A host vector arrived on this CPU, during a guest or while idle.
void host_interrupt(Cpu& cpu, u8 vector);

// `interrupt_bind`.
abi::Status bind_interrupt(Machine& machine, Partition& service, u64 kind, u64 line, u64 event, Vcpu& target, u64 mode,
                           Interrupt*& bound, u64& message);
// `interrupt_raise`: a message as a guest's device would write it. Address and data in the format of the SDM, "Message Signalled Interrupts".
abi::Status raise_message(Cpu& here, Partition& guest, u64 address, u64 data);

} // namespace kennel
