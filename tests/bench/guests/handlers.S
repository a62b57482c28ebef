// SPDX-License-Identifier: Apache-2.0
//
// See handlers.hpp. The three pushes are not in the time noted: Bochs adds to its clock at jumps, and entering a handler is one.
    .text
    .globl  bench_eoi, bench_arrival, bench_arrived
bench_arrival:
    push    %rax
    push    %rdx
    push    %rcx
    rdtsc
    shl     $32, %rdx
    or      %rdx, %rax
    mov     %rax, bench_arrived(%rip)
    jmp     1f
bench_eoi:
    push    %rax
    push    %rdx
    push    %rcx
1:  xor     %eax, %eax
    xor     %edx, %edx
    mov     $0x80b, %ecx                    // x2APIC: EOI
    wrmsr
    pop     %rcx
    pop     %rdx
    pop     %rax
    iretq

    .bss
    .balign 8
bench_arrived:
    .quad   0
    .section .note.GNU-stack, "", @progbits
