/* SPDX-License-Identifier: Apache-2.0
 *
 * Where hv enters a service, once for each of its vCPUs: 64-bit mode, interrupts off, rdi = GPA of the info page,
 * rsi = the vCPU's index, rsp = a stack of its own. And the vectors: a service takes no interrupts, so whatever arrives
 * here is a fault of ours, which fault.cpp reports.
 */
        .text
        .globl  service_start
        .type   service_start, @function
service_start:
        cld
        mov     %rdi, %r12
        mov     %rsi, %r13

        /* The stack protector's value: from RDRAND where there is one (CPUID.1:ECX bit 30), mixed with the TSC. The vCPUs
         * arrive together; the first one's value stands before any function that checks it is called. */
        mov     $1, %eax
        xor     %ecx, %ecx
        cpuid
        mov     %ecx, %r8d
        rdtsc
        shl     $32, %rdx
        or      %rdx, %rax
        movabs  $0x9e3779b97f4a7c15, %rcx
        imul    %rcx, %rax
        bt      $30, %r8d
        jnc     1f
        rdrand  %rcx
        jnc     1f
        xor     %rcx, %rax
1:      mov     %rax, %rcx
        shl     $8, %rcx                /* a zero byte in front stops string overruns */
        jnz     2f
        not     %rcx
2:      xor     %eax, %eax
        lock cmpxchg %rcx, __stack_chk_guard(%rip)

        lgdt    gdt_pointer(%rip)
        lidt    idt_pointer(%rip)
        push    $0x08
        lea     3f(%rip), %rax
        push    %rax
        lretq
3:      mov     $0x10, %eax
        mov     %eax, %ss
        mov     %eax, %ds
        mov     %eax, %es
        mov     %r12, %rdi
        mov     %r13, %rsi
        xor     %ebp, %ebp
        and     $-16, %rsp
        call    service_main
        ud2
        .size   service_start, . - service_start

/* Each vector: its number (and a zero where the processor pushes no error code), then the common part. */
        .macro  vector number
        .balign 16
        .if     (\number == 8) || ((\number >= 10) && (\number <= 14)) || (\number == 17) || (\number == 21)
        .else
        push    $0
        .endif
        push    $\number
        jmp     service_vector
        .endm

        .balign 16
        .globl  service_vectors
service_vectors:
        .set    number, 0
        .rept   32
        vector  number
        .set    number, number + 1
        .endr

service_vector:
        mov     %rsp, %rdi              /* vector, error code, rip, cs, rflags, rsp, ss */
        mov     %cr2, %rsi
        and     $-16, %rsp
        cld
        call    service_fault
        ud2

        .section .data
        .balign 8
gdt:    .quad   0
        .quad   0x00af9b000000ffff      /* 0x08: 64-bit code, already marked accessed */
        .quad   0x00cf93000000ffff      /* 0x10: data */
gdt_end:
        .globl  service_idt
        .balign 16
service_idt:                            /* filled by fault.cpp before anything can go wrong on purpose */
        .skip   32 * 16
        .balign 8
        .skip   6
gdt_pointer:
        .word   gdt_end - gdt - 1
        .quad   gdt
        .skip   6
idt_pointer:
        .word   32 * 16 - 1
        .quad   service_idt

        .section .bss
        .balign 8
        .globl  __stack_chk_guard
        .type   __stack_chk_guard, @object
        .size   __stack_chk_guard, 8
__stack_chk_guard:
        .skip   8

        .section .note.GNU-stack, "", @progbits
