// SPDX-License-Identifier: Apache-2.0
//
// A neighbour of the measuring guest: 2 MiB of memory, and a loop that works, exits, and never gives the processor back, until
// `lasting` ticks have gone by and it powers off.
    .set lasting, 300000000
    .section .text.start, "ax"
    .globl start
start:
    cli
    rdtsc
    shl     $32, %rdx
    lea     lasting(%rax, %rdx), %rsi
1:  mov     $1000, %ecx
2:  dec     %ecx
    jnz     2b
    xor     %eax, %eax
    cpuid
    rdtsc
    shl     $32, %rdx
    add     %rdx, %rax
    cmp     %rsi, %rax
    jb      1b
    mov     $0x604, %edx                    // ACPI's sleep register: SLP_EN, and the type that is "off"
    mov     $0x34, %eax
    outb    %al, %dx
3:  hlt
    jmp     3b
    .section .note.GNU-stack, "", @progbits
