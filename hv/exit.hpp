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

// Packed, so that a doorbell costs nothing for what only other accesses are asked for: port in bits 31:16, IN in bit 3, bytes - 1 in
// bits 2:0; the others say nothing.
struct PortExit {
    u32 word;
    constexpr explicit PortExit(u32 packed) : word{packed} {}
    constexpr PortExit(u16 port, u8 size, bool is_input) : word{u32{port} << 16 | u32{is_input} << 3 | (size - 1u)} {}
    u16  port() const { return static_cast<u16>(word >> 16); }
    u8   size() const { return static_cast<u8>((word & 7) + 1); }
    bool is_input() const { return word & 8; }
};

struct CpuidExit      {};
struct HypercallExit  {};
struct HaltExit       {};
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
