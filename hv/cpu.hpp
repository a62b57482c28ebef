// SPDX-License-Identifier: Apache-2.0
//
// A physical CPU: a private part that only it touches, on a page that no other CPU maps, and a shared part others may
// touch. And the machine: what there is one of. Neither is reachable by a global name; every function that needs one is given it.
#pragma once
#include "hv/frames.hpp"
#include "hv/interrupt.hpp"
#include "hv/lock.hpp"
#include "hv/partition.hpp"
#include "hv/vcpu.hpp"

namespace kennel {

struct CpuShared {
    Locked<List<Vcpu, &Vcpu::inbox_link>, Rank::inbox> inbox;   // vCPUs with requests for this CPU
    std::atomic<bool> inbox_used{false};                        // a look without the lock
    std::atomic<u64>  invalidate_wanted{0}, invalidate_done{0}; // translations to drop: a count of orders
    std::atomic<bool> online{false};
    u32 apic_id = 0;
};

struct Cpu {
    // -- private --
    arch::CpuArch arch;                          // first: assembly finds its fields
    Machine*  machine = nullptr;
    Vcpu*     current = nullptr;                 // entered next
    u32       index = 0;
    u64       timer_armed = ~0ull;               // what the host timer is set to
    u64       slice_start = 0;                   // when `current` (or its service for it) began its turn
    u64       slice_end = ~0ull;
    u64       gather_deadline = ~0ull;           // a doorbell waits for company until then; ~0: none does
    Vcpu*     charged = nullptr;                 // whose turn it is
    bool      attention = false;                 // reschedule at the next chance
    List<Vcpu, &Vcpu::run_link> services;        // service vCPUs that are runnable
    List<Vcpu, &Vcpu::run_link> guests;          // guests that are runnable, first is next; not the charged one
    List<Vcpu, &Vcpu::cpu_link> all;             // every vCPU of this CPU that a handle leads to: whose deadline is next

    // -- shared --
    alignas(page_size) CpuShared shared;
};

static_assert(sizeof(Cpu) == 2 * page_size && offsetof(Cpu, shared) == page_size);

struct Machine {
    abi::BootInfo const* boot = nullptr;
    Block     block;
    Locked<Pool, Rank::pool> master;
    Locked<Control, Rank::control> control;
    Cpu*      cpus[abi::max_cpus] = {};
    u32       cpu_count = 0;
    InterruptTable interrupts;

    // Creates every service partition of BootInfo and starts its vCPUs; the boot CPU calls this once.
    void create_services();
};

// The life of a CPU from here on: choose, run, handle the exit, again.
[[noreturn]] void run(Cpu& cpu);

} // namespace kennel
