// SPDX-License-Identifier: Apache-2.0
//
// Entry of a test guest: own stack, own descriptor table and task state, then C++. And the stubs of all 256 vectors,
// which leave a Frame (traps.hpp) on the stack.
    .section .text.start, "ax"
    .globl start
start:
    cli
    cld
    lea     stack_end(%rip), %rsp
    // The base of the task state is spread over its descriptor: SDM, "TSS Descriptor in 64-bit Mode".
    lea     task_state(%rip), %rax
    lea     entry_stack_end(%rip), %rdx
    mov     %rdx, 4(%rax)                   // RSP0: not the stack of who entered user mode
    lea     other_stack_end(%rip), %rdx
    mov     %rdx, 36(%rax)                  // IST1
    lea     descriptors(%rip), %rdi
    mov     %ax, 0x28 + 2(%rdi)
    shr     $16, %rax
    mov     %al, 0x28 + 4(%rdi)
    mov     %ah, 0x28 + 7(%rdi)
    lgdt    descriptors_pointer(%rip)
    mov     $0x10, %eax
    mov     %eax, %ds
    mov     %eax, %es
    mov     %eax, %ss
    xor     %eax, %eax
    mov     %eax, %fs
    mov     %eax, %gs
    pushq   $0x08
    lea     1f(%rip), %rax
    push    %rax
    lretq
1:  mov     $0x28, %eax
    ltr     %ax
    xor     %ebp, %ebp
    mov     %rsi, %rdi                      // the zero page
    call    guest_main
2:  hlt
    jmp     2b

    .text
    .macro stub vector
    .align 16
    .if !(\vector == 8 || (\vector >= 10 && \vector <= 14) || \vector == 17 || \vector == 21 || \vector == 29 || \vector == 30)
    push    $0
    .endif
    push    $\vector
    jmp     trap_common
    .endm

    .align 16
    .globl trap_stubs
trap_stubs:
    .set vector, 0
    .rept 256
    stub vector
    .set vector, vector + 1
    .endr

trap_common:
    push    %rax
    push    %rcx
    push    %rdx
    push    %rbx
    push    %rbp
    push    %rsi
    push    %rdi
    push    %r8
    push    %r9
    push    %r10
    push    %r11
    push    %r12
    push    %r13
    push    %r14
    push    %r15
    mov     %rsp, %rdi
    mov     %rsp, %rbp
    and     $-16, %rsp
    cld
    call    guest_trap
    mov     %rbp, %rsp
    pop     %r15
    pop     %r14
    pop     %r13
    pop     %r12
    pop     %r11
    pop     %r10
    pop     %r9
    pop     %r8
    pop     %rdi
    pop     %rsi
    pop     %rbp
    pop     %rbx
    pop     %rdx
    pop     %rcx
    pop     %rax
    add     $16, %rsp
    iretq

// u64 guarded_call(void (*body)(void*), void* argument): ~0 when body returned. A trap nobody handles makes guest_trap
// return to guarded_return instead, with rsp from guarded_stack and the vector in rax.
    .globl guarded_call
guarded_call:
    push    %rbx
    push    %rbp
    push    %r12
    push    %r13
    push    %r14
    push    %r15
    pushq   guarded_stack(%rip)
    mov     %rsp, guarded_stack(%rip)
    mov     %rdi, %rax
    mov     %rsi, %rdi
    call    *%rax
    mov     $-1, %rax
    .globl guarded_return
guarded_return:
    mov     guarded_stack(%rip), %rsp
    popq    guarded_stack(%rip)
    pop     %r15
    pop     %r14
    pop     %r13
    pop     %r12
    pop     %rbp
    pop     %rbx
    ret

// void user_call(void (*body)()): runs body at CPL 3; it comes back through vector 0x81, so only inside guarded_call.
    .globl user_call
user_call:
    pushq   $0x20 + 3
    lea     user_stack_end(%rip), %rax
    push    %rax
    pushfq
    pushq   $0x18 + 3
    lea     1f(%rip), %rax
    push    %rax
    mov     %rdi, %rax
    iretq
1:  call    *%rax
    int     $0x81
    ud2

    .data
    .align 16
    .globl descriptors
descriptors:
    .quad 0
    .quad 0x00af9b000000ffff                // 0x08 code, 64-bit
    .quad 0x00cf93000000ffff                // 0x10 data
    .quad 0x00affb000000ffff                // 0x18 code, 64-bit, CPL 3
    .quad 0x00cff3000000ffff                // 0x20 data, CPL 3
    .quad 0x0000890000000067, 0             // 0x28 task state
    .quad 0x00cf9b000000ffff                // 0x38 code, 32-bit
    .quad 0x00009b010000ffff                // 0x40 code, 16-bit, at 0x10000
    .quad 0x000093010000ffff                // 0x48 data, 16-bit, at 0x10000
    .quad 0x00cf9b012000ffff                // 0x50 code, 32-bit, at 0x12000: its last bytes are in front of that
descriptors_end:
    .globl descriptors_pointer
descriptors_pointer:
    .word descriptors_end - descriptors - 1
    .quad descriptors
    .globl guarded_stack
    .align 8
guarded_stack:
    .quad 0

    .bss
    .align 16
    .globl task_state
task_state:
    .skip 104
    .align 16
    .skip 16384
stack_end:
    .skip 8192
entry_stack_end:
    .skip 8192
    .globl other_stack_end
other_stack_end:
    .skip 8192
    .globl user_stack_end
user_stack_end:
    .section .note.GNU-stack, "", @progbits
