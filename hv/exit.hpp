// SPDX-License-Identifier: Apache-2.0
//
// What a VM exit means, as values. Row 2 of the request path: arch/ fills one of these from the processor's own
// words, dispatch.cpp has one overload for each. Nothing here knows a vendor's numbers.
#pragma once
#include "hv/abi/pages.hpp"
#include "hv/address.hpp"

namespace kennel {

// What the run loop does next.
enum class Action : u8 {
    resume,       // the vCPU that exited goes on
    enter,        // cpu.current goes on: it may have become another vCPU, or another one's registers may have been looked at
    reschedule,   // choose anew
};

struct CpuidExit      {};
struct HypercallExit  {};
struct HaltExit       {};
struct PortExit       { u16 port; u8 size; bool is_input; };
struct StringPortExit { u16 port; u8 size; bool is_input, is_rep; u8 address_size, segment; };   // INS, OUTS: an operand in memory
struct MemoryExit     { GuestPhysical address; bool is_read, is_write, is_execute; bool during_delivery; };
struct MsrReadExit    { u32 index; };
struct MsrWriteExit   { u32 index; };
struct ControlExit    { enum class Register : u8 { cr0, cr4, cr8 } which; bool is_write; u8 general; };   // general: GPR number
struct DebugRegisterExit {};
struct XsetbvExit     {};
struct CacheExit      {};                                // INVD, WBINVD: nothing to do, caches are coherent
struct DeniedExit     { u8 vector; bool has_error; };    // an instruction guests do not have: answer with this exception
struct ExceptionExit  { u8 vector; bool has_error; u32 error_code; u64 qualification; };
struct InterruptExit  { u8 vector; };                    // a host vector, acknowledged
struct WatchdogExit   {};                                // it has run for long without an exit
struct WindowExit     {};                                // the guest can take an interrupt now
struct NmiExit        {};
struct FatalExit      { char const* what; abi::StopReason why; u32 reason; u64 qualification; };   // it cannot go on; reason: the processor's number

} // namespace kennel
