/* SPDX-License-Identifier: Apache-2.0
 *
 * VM entry and exit: all the general registers, and nothing else. The rest of the processor's state is in the VMCS.
 *
 * HOST_RSP of every VMCS on a CPU points at two words near the top of that CPU's stack:
 *   0(%rsp)   registers of the vCPU that runs (abi::Registers, in encoding order)
 *   8(%rsp)   the Cpu
 * so the stub needs no other memory, and each exit starts on an empty stack.
 */
        .text
        .globl  vmx_exit
        .type   vmx_exit, @function
vmx_exit:
        xchg    %rax, (%rsp)
        mov     %rcx, 0x08(%rax)
        mov     %rdx, 0x10(%rax)
        mov     %rbx, 0x18(%rax)
        mov     %rbp, 0x28(%rax)
        mov     %rsi, 0x30(%rax)
        mov     %rdi, 0x38(%rax)
        .irp    n, 8, 9, 10, 11, 12, 13, 14, 15
        mov     %r\n, 8 * \n(%rax)
        .endr
        popq    0x00(%rax)

        /* Nothing of the guest's stays in a register that hv could speculate with. */
        .irp    r, ecx, edx, ebx, ebp, esi, edi, r8d, r9d, r10d, r11d, r15d
        xor     %\r, %\r
        .endr

        mov     (%rsp), %r12
        mov     0xd8(%r12), %r13        /* Cpu::current */
        mov     $0x4402, %r14d          /* the exit reason */
        vmread  %r14, %r14
        call    vmx_handle_exit         /* (r12, r13, r14: preserve_none) -> registers of the vCPU to enter */

        .globl  vmx_enter
vmx_enter:                              /* rax: registers; rsp: at the second word */
        push    %rax
        mov     0x08(%rax), %rcx
        mov     0x10(%rax), %rdx
        mov     0x18(%rax), %rbx
        mov     0x28(%rax), %rbp
        mov     0x30(%rax), %rsi
        mov     0x38(%rax), %rdi
        .irp    n, 8, 9, 10, 11, 12, 13, 14, 15
        mov     8 * \n(%rax), %r\n
        .endr
        mov     0x00(%rax), %rax
        vmresume
        vmlaunch                        /* never entered before: VMRESUME failed and changed nothing but flags */

        /* Both failed: a control word of ours that the processor refuses. */
        mov     8(%rsp), %rdi
        call    vmx_entry_refused
        ud2
        .size   vmx_exit, . - vmx_exit

        /* [[noreturn]] vmx_start(registers, stack, cpu): the first entry on this CPU. */
        .globl  vmx_start
        .type   vmx_start, @function
vmx_start:
        lea     -16(%rsi), %rsp
        mov     %rdx, (%rsp)
        mov     %rdi, %rax
        jmp     vmx_enter
        .size   vmx_start, . - vmx_start

        .section .note.GNU-stack, "", @progbits
