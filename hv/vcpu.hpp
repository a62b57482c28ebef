// SPDX-License-Identifier: Apache-2.0
//
// A virtual CPU: of a guest or of a service. It lives in frames of its partition's pool and belongs to one physical
// CPU for life; only that CPU changes `state`. Others put wishes into `requests` and hand the vCPU to its CPU's inbox.
//
//   state        how it came here                               what takes it away
//   created      vcpu_create                                    vcpu_state_set -> ready
//   ready        its state is set                               vcpu_start -> runnable
//   runnable     may run: in a run queue, or running now        HLT -> halted; intercept -> intercepted; stop
//   halted       HLT with nothing to deliver                    an interrupt -> runnable; stop
//   intercepted  the service has a message from it              reply -> runnable; reply none -> stopped
//   stopped      cannot or must not run                         vcpu_state_set -> ready; reply none keeps it
//   waiting      a service vCPU in `wait`                       an event, an intercept -> runnable
#pragma once
#include "hv/abi/hypercall.hpp"
#include "hv/apic_model.hpp"
#include "hv/arch.hpp"
#include "hv/lib/list.hpp"
#include <atomic>

namespace kennel {

enum class VcpuStatus : u8 { created, ready, runnable, halted, intercepted, stopped, waiting };

// Wishes of other CPUs, bits of Vcpu::requests.
struct Request { static constexpr u32 start = 1, stop = 2, answer = 4, wake = 8, interrupt = 16, release = 32; };

// Why prepare_entry has work: bits of Vcpu::attention.
struct Attention { static constexpr u32 interrupt = 1, watchdog = 2, yield = 4; };

struct Vcpu {
    // -- the exit path reads these --
    abi::InterceptPage* page = nullptr;        // registers.* first: the exit stub saves there. A service's vCPU has one of its own, unshared
    abi::CountersPage*  counters = nullptr;
    Cpu*        cpu       = nullptr;
    Partition*  partition = nullptr;
    Vcpu*       service   = nullptr;           // who gets its intercepts: the service's vCPU on this CPU; null for a service's own
    u32         attention = 0;                 // Attention bits
    VcpuStatus  status    = VcpuStatus::created;
    bool        in_wait = false;                // a service's: `wait` has not returned yet
    bool        released = false;               // off its CPU for good: the partition is being destroyed
    arch::VcpuArch arch;

    // -- guests --
    ApicModel   apic;
    u64         badge   = 0;                   // what `wait` returns for its intercepts
    u64         reply_length = 0;              // the processor's instruction length of the intercept being answered; 0: the service must say
    bool        ended = false;                 // its message is `stopped`: only a new state lets it run again
    bool        interrupted_delivery = false;  // the intercept came in the middle of an event's delivery
    u32         weight  = 100;
    s64         slice_left = 0;                // TSC ticks of its turn not yet used; negative: owed, by what was done for it beyond the end
    std::atomic<u64> posted[4] = {};           // interrupts raised on other CPUs, merged into apic by its own CPU
    std::atomic<u32> requests{0};

    // -- services --
    abi::EventPage* events = nullptr;          // shared with the service
    u64         clock_deadline = ~0ull;
    u32         clock_event = 0;

    ListLink    run_link, inbox_link, cpu_link, partition_link;
    Vcpu*       waiting_guests = nullptr;      // of a service: guests whose message it has not fetched; chained by next_waiting
    Vcpu*       next_waiting = nullptr;
    bool        in_chain = false;              // of waiting_guests

    bool is_service() const { return service == nullptr; }
    abi::Registers& registers() { return page->registers; }
    void look_at_interrupts() { attention |= Attention::interrupt; }
};

// An interrupt for a guest, from any CPU.
void raise_interrupt(Cpu& here, Vcpu& vcpu, u8 vector, bool level);
// Its APIC has something: wake it when it is halted. Own CPU only.
void interrupt_arrived(Vcpu& vcpu);
// Ask the CPU of `vcpu` for something; done at once when that is this CPU.
void request(Cpu& here, Vcpu& vcpu, u32 what);
// Own CPU only: carry out what others asked for.
void serve_requests(Vcpu& vcpu);
// The guest cannot go on: a `stopped` intercept for the service.
Action stop_vcpu(Vcpu& vcpu, abi::StopReason reason, u32 exit_reason, u64 qualification);
// The state a reset leaves, general registers aside.
void reset_vcpu(Vcpu& vcpu);

} // namespace kennel
