// SPDX-License-Identifier: Apache-2.0
//
// The pages the hypervisor shares with a service partition: owned by hv, mapped at GPA = HPA, never executable.
//   InfoPage       one per service,      read-only   the machine, the modules, where the other pages are
//   EventPage      one per service vCPU, read-write  pending bits, what is busy, and a text buffer for `log`
//   InterceptPage  one per guest vCPU,   read-write  the guest's general registers, the intercept, the reply, the whole state
//   CountersPage   one per guest vCPU,   read-only   exits by reason, run time
// hv treats every byte it reads back from a writable page as hostile: it copies a word once and checks the copy.
#pragma once
#include "hv/abi/boot_info.hpp"

namespace kennel::abi {

inline constexpr u32 abi_version = 3;

struct InfoPage {
    u32 version;              // abi_version
    u32 service;              // which service this is
    u32 cpu_count;            // service vCPUs, one per physical CPU
    u32 owns_devices;
    u64 tsc_hz;
    u64 wall_clock_ns, wall_clock_tsc;
    u64 rsdp;
    u64 memory_base[8];       // extents of RAM this service owns, host physical ...
    u64 memory_size[8];       // ... bytes; 0 = unused. Its own block is inside one of them.
    u64 block_base, block_size;  // its own block, never to be given away
    u64 event_page[max_cpus]; // GPA of vCPU n's EventPage
    Framebuffer screen;
    u16 console_port;
    u16 reserved;
    u32 module_count;
    Module modules[max_modules];
    char build_id[48];
};
static_assert(sizeof(InfoPage) <= page_size);

// ---- events ------------------------------------------------------------------------------------------------------

inline constexpr u32 max_events = 2048;           // per service vCPU
inline constexpr u32 log_text_bytes = 1024;

struct EventPage {
    u64  summary;                                  // bit w set: pending[w] may be non-zero. hv: atomic or; service: atomic exchange
    u64  pending[max_events / 64];                 // bit e % 64 of word e / 64: event e. hv: atomic or, before summary
    u64  busy[max_events / 64];                    // bit as in pending: a doorbell of event e may wait a little. service: writes; hv: reads
    u64  reserved[63];
    char text[log_text_bytes];                     // argument of `log`
};
static_assert(sizeof(EventPage) == 128 * 8 + 1024);
static_assert(max_events / 64 <= 64);

// ---- intercepts --------------------------------------------------------------------------------------------------

// General registers in the processor's encoding order. rsp is valid only where a message says the state is complete.
struct Registers { u64 rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15; };
static_assert(sizeof(Registers) == 128);

enum class InterceptKind : u32 {
    none    = 0,
    port    = 1,  // IN, OUT, INS, OUTS
    memory  = 2,  // an access to a guest physical address that is not RAM
    msr     = 3,  // RDMSR or WRMSR of an MSR the service asked for
    stopped = 4,  // the vCPU cannot go on; see StopReason. A reply is refused until its state was set anew.
};

enum class StopReason : u32 {
    none = 0, triple_fault, invalid_state, left_x2apic, unsupported, init_received, stop_requested, mce, halted_forever,
};

struct PortIntercept   { u16 port; u8 size /* 1, 2, 4 */; u8 is_input; u8 is_string; u8 is_rep; u8 address_size /* 2, 4, 8 */; u8 segment; };
struct MemoryIntercept { u64 address; u8 is_write, is_execute, claimed /* 1: inside a range bound by intercept_bind */, reserved[5]; };
struct MsrIntercept    { u32 index; u32 is_write; };
struct StopIntercept   { StopReason reason; u32 exit_reason; u64 qualification; u64 address; };

// What a decoder needs beside the general registers. Filled for `memory`, string `port` and `stopped` (complete = 1).
struct ExecutionState {
    u64 rip, rflags, cr0, cr3, cr4, efer, cs_base, ss_base, ds_base, es_base, fs_base, gs_base;
    u32 cs_access, cpl, complete, reserved;
};

enum class ReplyAction : u32 {
    skip    = 0,  // go on behind the instruction: hv's own length for port and msr, instruction_length for memory
    retry   = 1,  // run the instruction again
    inject  = 2,  // deliver exception `vector` (0-19, not 2); one that pushes an error code pushes error_code, 0 without has_error
    none    = 3,  // do not resume (lifecycle: the vCPU stays where it is)
};
// With has_value = 1: `value` is what the arithmetic flags (CF PF AF ZF SF OF) become for `skip`, CR2 for `inject` of vector 14.
struct Reply { ReplyAction action; u32 instruction_length; u32 vector; u32 has_error; u32 error_code; u32 has_value; u64 value; };

struct Segment { u64 base; u32 limit; u32 access /* VMX access-rights format */; u16 selector; u16 reserved[3]; };
struct DescriptorTable { u64 base; u32 limit; u32 reserved; };

// The whole state of a vCPU, for vcpu_state_get and vcpu_state_set.
struct VcpuState {
    u64 rip, rflags, cr0, cr2, cr3, cr4, efer, dr7;
    Segment es, cs, ss, ds, fs, gs, ldtr, tr;
    DescriptorTable gdtr, idtr;
    u32 activity;             // 0 active, 1 halted
    u32 interruptibility;     // VMX format
    u64 reserved[6];
};
static_assert(sizeof(Segment) == 24);

struct InterceptPage {
    Registers     registers;                    // live: hv's exit path saves here, its entry path loads from here
    InterceptKind kind;
    u32           reserved_kind;
    union { PortIntercept port; MemoryIntercept memory; MsrIntercept msr; StopIntercept stop; };
    Reply          reply;
    ExecutionState execution;
    u64            counters_page;               // GPA of the CountersPage
    u8             reserved[1024 - 128 - 8 - 24 - 32 - 112 - 8];
    VcpuState      state;
};
static_assert(sizeof(PortIntercept) == 8 && sizeof(MemoryIntercept) == 16 && sizeof(StopIntercept) == 24);
static_assert(sizeof(Reply) == 32);
static_assert(sizeof(ExecutionState) == 112);
static_assert(offsetof(InterceptPage, kind) == 128 && offsetof(InterceptPage, port) == 136);
static_assert(offsetof(InterceptPage, state) == 1024);
static_assert(sizeof(InterceptPage) <= page_size);

// ---- counters ----------------------------------------------------------------------------------------------------

// Why a vCPU left the guest, by what the exit meant and not by the vendor's number.
enum class ExitCounter : u32 {
    cpuid, hypercall, port_service, port_doorbell, port_unclaimed, memory_service, memory_unclaimed, msr_read, msr_write,
    msr_service, msr_denied, control_register, halt, interrupt, interrupt_window, exception, apic, tsc_deadline, xsetbv, debug_register,
    timer, cache, denied_instruction, other, count
};

struct CountersPage {
    u64 exits[32];            // by ExitCounter
    u64 run_ticks;            // TSC ticks of its turns: in the guest, and in the service on its behalf
    u64 injected;             // interrupts delivered
    u64 reserved[30];
};
static_assert(sizeof(CountersPage) <= page_size && static_cast<u32>(ExitCounter::count) <= 32);

} // namespace kennel::abi
