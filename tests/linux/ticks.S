/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program for the guest's shell: prints the time stamp counter as 16 hexadecimal digits, as the processor counts it and
 * not as any clock of Linux does.
 */
    .globl _start
_start:
    rdtsc
    shl     $32, %rdx
    or      %rax, %rdx
    lea     text(%rip), %rsi
    xor     %ecx, %ecx
1:  rol     $4, %rdx
    mov     %edx, %eax
    and     $15, %eax
    lea     digits(%rip), %rdi
    movb    (%rdi,%rax), %al
    movb    %al, (%rsi,%rcx)
    inc     %ecx
    cmp     $16, %ecx
    jb      1b
    mov     $1, %eax                    /* write */
    mov     $1, %edi
    mov     $17, %edx
    syscall
    mov     $60, %eax                   /* exit */
    xor     %edi, %edi
    syscall

    .section .rodata
digits: .ascii "0123456789abcdef"
    .data
text:   .ascii "................\n"
