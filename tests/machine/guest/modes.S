// SPDX-License-Identifier: Apache-2.0
//
// void visit_modes(u32* marks): from 64-bit mode through compatibility, protected and real mode, and back. In each a
// CPUID (an exit) is run, and one word of `marks` is written: compatibility, protected unpaged, real, real-mode INT,
// protected again; and two when an exit at the very end of a segment of 4 GiB is over, in the first two modes. The code that runs without paging is copied to 0x10000, where 16-bit segments reach it.
    .set base, 0x10000
    .set at_marks, copy_end - copy + base   // seven words behind the code
    .set wrapped, base + 0x2000             // where segment 0x50 begins; its last bytes are those in front
    .text
    .globl visit_modes
visit_modes:
    push    %rbx
    push    %rbp
    push    %r12
    push    %rdi
    mov     $base, %edi
    lea     copy(%rip), %rsi
    mov     $copy_end - copy, %ecx
    rep     movsb
    xor     %eax, %eax
    mov     $28, %ecx
    rep     stosb
    movw    $0xa20f, wrapped - 2            // CPUID
    movb    $0xcb, wrapped                  // LRET
    sidt    saved_idt(%rip)
    mov     %rsp, saved_stack(%rip)
    pushq   $0x38
    pushq   $base
    lretq
back:
    mov     saved_stack(%rip), %rsp
    mov     $0x10, %eax
    mov     %eax, %ds
    mov     %eax, %es
    mov     %eax, %ss
    lidt    saved_idt(%rip)
    pop     %rdi
    mov     $at_marks, %esi
    mov     $28, %ecx
    rep     movsb
    pop     %r12
    pop     %rbp
    pop     %rbx
    ret

copy:
    .code32
    mov     $0x10, %eax
    mov     %eax, %ds
    mov     %eax, %es
    mov     %eax, %ss
    mov     $base + 0x8000, %esp
    xor     %eax, %eax
    cpuid
    movl    $0xc0de0001, at_marks
    push    $0x38
    push    $compatibility - copy + base
    ljmp    $0x50, $0xfffffffe
compatibility:
    movl    $0xc0de0006, at_marks + 20
    mov     %cr0, %eax                      // leave paging, and with it long mode
    and     $0x7fffffff, %eax
    mov     %eax, %cr0
    mov     $0xc0000080, %ecx
    rdmsr
    and     $~0x100, %eax
    wrmsr
    xor     %eax, %eax
    cpuid
    movl    $0xc0de0002, at_marks + 4
    movw    $0x71e4, wrapped - 2            // IN from the clock, which the service answers
    push    $0x38
    push    $protected - copy + base
    ljmp    $0x50, $0xfffffffe
protected:
    movl    $0xc0de0007, at_marks + 24
    lidt    real_idt - copy + base
    ljmp    $0x40, $protected_16 - copy
    .code16
protected_16:
    mov     $0x48, %ax
    mov     %ax, %ds
    mov     %ax, %es
    mov     %ax, %ss
    mov     %cr0, %eax
    and     $~1, %eax
    mov     %eax, %cr0
    ljmp    $0x1000, $real - copy
real:
    mov     $0x1000, %ax
    mov     %ax, %ds
    mov     %ax, %ss
    mov     $0x8000, %sp
    xor     %eax, %eax
    cpuid
    movl    $0xc0de0003, at_marks - base + 8
    xor     %ax, %ax                        // an INT through the vector table at 0
    mov     %ax, %es
    movw    $real_handler - copy, %es:0x50 * 4
    movw    $0x1000, %es:0x50 * 4 + 2
    int     $0x50
    mov     %cr0, %eax
    or      $1, %eax
    mov     %eax, %cr0
    ljmpl   $0x38, $protected_32 - copy + base
real_handler:
    movl    $0xc0de0004, at_marks - base + 12
    iret
    .code32
protected_32:
    mov     $0x10, %eax
    mov     %eax, %ds
    mov     %eax, %es
    mov     %eax, %ss
    movl    $0xc0de0005, at_marks + 16
    mov     $0xc0000080, %ecx
    rdmsr
    or      $0x100, %eax
    wrmsr
    mov     %cr0, %eax
    or      $0x80000000, %eax
    mov     %eax, %cr0
    ljmp    $0x08, $back
    .align 4
real_idt:
    .word 0x3ff
    .long 0
copy_end:
    .code64

    .bss
    .align 8
saved_stack:
    .skip 8
saved_idt:
    .skip 16
    .section .note.GNU-stack, "", @progbits
