// SPDX-License-Identifier: Apache-2.0
//
// Interrupts and exceptions of a test guest. A vector has a handler, or ends the `attempt` it happens in, or is a failure.
#pragma once
#include "hv/lib/types.hpp"

namespace kennel::guest {

// As start.S leaves it on the stack.
struct Frame {
    u64 r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
    u64 vector, error;
    u64 rip, cs, rflags, rsp, ss;
};

using Handler = void (*)(Frame&);

void load_traps();
void on(u8 vector, Handler handler);
void raw_gate(u8 vector, void (*entry)());               // assembly of the guest's own, ending in IRETQ
void use_stack(u8 vector, u8 ist);                      // 0: the current one; 1: a stack of its own

// How many of `vector` came, when the counting handler is on it; it writes EOI.
void count_interrupts(u8 vector);
u32  counted(u8 vector);

struct Fault { u64 vector; u64 error; u64 rip; };
inline constexpr u64 no_fault = ~0ull;
inline constexpr u64 back_from_user = 0x81;

// Runs `body`; the first exception without a handler ends it and is told.
Fault attempt_raw(void (*body)(void*), void* argument);
template<class F> Fault attempt(F body)
{
    return attempt_raw([](void* f) { (*static_cast<F*>(f))(); }, &body);
}
// The same at CPL 3; `back_from_user` when it ran through. Pages are opened to user mode first.
Fault attempt_as_user(void (*body)());

namespace vector {
inline constexpr u64 divide = 0, debug = 1, breakpoint = 3, invalid_opcode = 6, device = 7, double_fault = 8, segment = 11, stack = 12, general = 13, page = 14,
                     alignment = 17;
}

} // namespace kennel::guest
