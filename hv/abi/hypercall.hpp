// SPDX-License-Identifier: Apache-2.0
//
// The hypercalls. VMCALL at CPL 0; number in rax, arguments in rdi rsi rdx r8 r9 r10; status in rax, results in rdi rsi.
// All other registers survive. Addresses are guest physical, which for a service equals host physical.
//
// Handles are small integers in a table of the calling partition; 0 is never valid. Rights are bits of Right.
#pragma once
#include "hv/lib/types.hpp"

namespace kennel::abi {

enum class Status : u64 {
    ok = 0,
    bad_call,        // no such number, or not for this partition
    bad_handle,      // no object of the wanted kind behind the handle
    no_right,        // the handle lacks the right
    bad_argument,    // out of range, misaligned, or not a known value
    not_owner,       // the memory, port or line does not belong to the caller
    overlap,         // the range is already bound or mapped
    no_memory,       // the partition's pool or hv's is used up
    bad_state,       // the vCPU is not in a state that allows this
    full,            // a table has no free entry
};

enum class Call : u64 {
    // Sleep until an event or an intercept is there. -> rdi: badge of the vCPU with an intercept, 0 if only events;
    //   events are in the caller's EventPage. Returns at once when something is pending.
    // rdi: 0, or a partition (interrupt) that is sent a message first: rsi, rdx as in interrupt_raise. Where that is refused,
    //   nothing is waited for.
    wait = 1,
    // rdi: vCPU handle (right: run), its InterceptPage.reply is the answer; then as `wait`. -> as wait.
    //   bad_argument: action, vector or length out of range; bad_state: no intercept is waiting. Then nothing is waited for.
    reply_and_wait = 2,
    // As the first half of reply_and_wait: answer and return. rdi: vCPU handle (run).
    reply = 3,

    // rdi: frames of 4 KiB for the partition's own pool (EPT, vCPUs, tables; 16..2^20). -> rdi: handle with all rights.
    //   The new partition's intercepts go to the caller. no_memory, full.
    partition_create = 4,
    // rdi: partition (right: destroy). Stops its vCPUs on every CPU, returns its pool; handles to it and its vCPUs become invalid.
    partition_destroy = 5,
    // rdi: partition (map), or own_partition for device registers above the boot map; rsi: guest physical; rdx: host physical;
    //   r8: bytes; r9: MapRights | MemoryType << 8. All 4 KiB-aligned. The caller must own the host range. overlap, not_owner.
    //   own_partition: rsi = rdx, and without the right to execute.
    memory_map = 6,
    // rdi: partition (map); rsi: guest physical; r8: bytes. Complete on every CPU when it returns. Unmapped holes are fine.
    memory_unmap = 7,

    // rdi: partition (create); rsi: physical CPU index; rdx: badge (not 0; returned by wait); r8: weight (1..1000, 100 is normal);
    //   r9: APIC id of the vCPU. -> rdi: vCPU handle with all rights; rsi: GPA of its InterceptPage, which names its CountersPage.
    //   Intercepts go to the caller's vCPU on that physical CPU, which must be the one that calls (rsi = its own index).
    vcpu_create = 8,
    // rdi: vCPU (run). Makes a vCPU whose state was set runnable. bad_state when it runs already or waits for a reply.
    vcpu_start = 9,
    // rdi: vCPU (run). It stops before its next instruction and sends a `stopped` intercept with StopReason::stop_requested, in the place
    //   of one that has not been answered yet.
    vcpu_stop = 10,
    // rdi: vCPU (state). Copies the processor's state to InterceptPage.state (and rsp to registers.rsp). bad_state while it runs.
    vcpu_state_get = 11,
    // rdi: vCPU (state). Takes InterceptPage.state and registers; the APIC is reset when rsi = 1. bad_state while it runs.
    vcpu_state_set = 12,

    // rdi: partition (bind); rsi: port; rdx: width (1, 2, 4); r8: event of the caller's vCPU r9.
    //   A write sets the event's bit, and the service runs at once; unless EventPage.busy has the bit as well: then the guest goes on,
    //   and the service runs at the guest's next exit to it or end of turn, at the latest 50 us later. overlap, full.
    doorbell_bind = 13,
    // rdi: partition (bind); rsi: RangeKind; rdx: first; r8: count (ports, bytes, MSRs). overlap, full.
    intercept_bind = 14,
    // As intercept_bind and doorbell_bind, taken back: the range that starts at rdx. bad_argument: none does.
    unbind = 15,

    // rdi: line kind (0: ISA line, 1: global system interrupt, 2: MSI); rsi: line; rdx: event; r8: the caller's vCPU to get it;
    //   r9: LineMode. Caller must own devices. -> rdi: interrupt handle; for MSI rsi: address | data << 32.
    interrupt_bind = 16,
    // rdi: interrupt handle. Lets a level line arrive again; nothing to do for edge and MSI.
    interrupt_ack = 17,
    // rdi: partition (interrupt); rsi: MSI address (0xFEExxxxx, fixed delivery); rdx: MSI data. A guest's own message, as its device would send it.
    interrupt_raise = 18,
    // rdi: the caller's vCPU index; rsi: event. Sets the bit, wakes it.
    event_raise = 19,

    // rdi: absolute TSC deadline, ~0 = none; rsi: event set in the caller's own EventPage then. One per service vCPU.
    clock = 20,
    // rdi: bytes (1..1024) of EventPage.text, written to hv's log as it stands; rsi: 0 text, 1 framed message for the launcher.
    log = 21,
    // rdi: 0, the caller has nothing left to do; rsi: 1 when a guest of it did not end as it should, else 0. The machine is switched
    //   off, and the launcher told (`machine off status=`), when every service has said so or is broken; until then ok, and the
    //   caller may go on: starting a vCPU takes its word back. rdi: 1, reset, at once; the caller must own devices.
    //   bad_state: the machine has no way to do it.
    machine_power = 22,
};

inline constexpr char frame_mark = '\x1e';        // begins a line for the launcher
inline constexpr u64 own_partition = 1;           // every service's handle to itself

enum class Right : u32 { run = 1, state = 2, map = 4, create = 8, bind = 16, interrupt = 32, destroy = 64, all = 127 };
enum class MapRights : u32 { read = 1, write = 2, execute = 4 };
enum class RangeKind : u64 { port = 0, memory = 1, msr = 2 };
enum class LineMode : u64 { edge_high = 0, level_low = 1, as_isa = 2 /* what the MADT says of the ISA line, else edge_high */ };

// What a guest (not a service) may call: CPL 0 only, everything else gets guest_unknown_call (as KVM answers).
enum class GuestCall : u64 {
    version = 0x4b4e4c00,                          // -> rax: abi_version
    nothing = 0x4b4e4c01,                          // -> rax: 0. For measurements.
};
inline constexpr s64 guest_unknown_call = -1000;   // KVM_ENOSYS
inline constexpr s64 guest_not_permitted = -1;     // KVM_EPERM: CPL > 0

} // namespace kennel::abi
