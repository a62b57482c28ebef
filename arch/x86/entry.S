/* SPDX-License-Identifier: Apache-2.0
 *
 * Host vectors. hv runs with interrupts off, so an exception or an NMI here is a report, and an interrupt arrives
 * only where hv lets it in for a moment: its stub notes the vector (see take_noted) and returns.
 */
        .text
        .altmacro
        .macro  vector number, has_error
        .balign 16
        .if     \has_error == 0
        push    $0
        .endif
        push    $\number
        jmp     common
        .endm

        .globl  host_vectors
        .balign 16
host_vectors:
        .set    n, 0
        .rept   256
        .if     n == 8 || (n >= 10 && n <= 14) || n == 17 || n == 21 || n == 29 || n == 30
        vector  %n, 1
        .else
        vector  %n, 0
        .endif
        .set    n, n + 1
        .endr

common:
        cmpq    $32, (%rsp)
        jae     interrupt
        /* An exception: all registers to the stack, in abi::Registers order, for the report. */
        .irp    r, r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rsp, rbx, rdx, rcx, rax
        push    %\r
        .endr
        mov     %rsp, %rdi
        mov     %rsp, %rbx
        cld
        and     $-16, %rsp
        call    host_exception          /* returns only for an NMI */
        mov     %rbx, %rsp
        .irp    r, rax, rcx, rdx, rbx
        pop     %\r
        .endr
        add     $8, %rsp                /* rsp itself comes back with IRETQ */
        .irp    r, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15
        pop     %\r
        .endr
        add     $16, %rsp
        iretq

interrupt:
        push    %rax
        mov     8(%rsp), %rax
        movb    %al, %gs:32             /* CpuArch::noted_vector */
        pop     %rax
        add     $16, %rsp
        /* Back with interrupts off: a second one before this is handled would overwrite the note,
         * and the first would never be acknowledged: its class stays blocked for ever. */
        andq    $~0x200, 16(%rsp)
        iretq

        .section .note.GNU-stack, "", @progbits
