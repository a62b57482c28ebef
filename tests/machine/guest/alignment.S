// SPDX-License-Identifier: Apache-2.0
//
// void loop_in_alignment_check(): never returns. A processor delivers #AC for ever where the handler of #AC runs at CPL 3
// on a stack that is not aligned, because pushing its frame is the next #AC. In 64-bit mode the stack is aligned before
// anything is pushed, so this goes down to protected mode first, without paging.
    .text
    .globl  loop_in_alignment_check
loop_in_alignment_check:
    cli
    lgdt    table_pointer(%rip)
    pushq   $0x08
    lea     1f(%rip), %rax
    push    %rax
    lretq
    .code32
1:  mov     $0x10, %eax
    mov     %eax, %ds
    mov     %eax, %es
    mov     %eax, %ss
    mov     $stack_32, %esp
    mov     %cr0, %eax
    and     $0x7fffffff, %eax
    mov     %eax, %cr0
    mov     $0xc0000080, %ecx
    rdmsr
    and     $~0x100, %eax
    wrmsr
    mov     %cr0, %eax
    or      $0x40000, %eax                  // AM
    mov     %eax, %cr0
    // Gate 17: an interrupt gate to the CPL 3 code segment, reachable from CPL 3. No change of privilege, no change of stack.
    mov     $handler, %eax
    mov     %ax, gates + 17 * 8
    movw    $0x18 + 3, gates + 17 * 8 + 2
    movw    $0xee00, gates + 17 * 8 + 4
    shr     $16, %eax
    mov     %ax, gates + 17 * 8 + 6
    lidt    gates_pointer
    pushl   $0x20 + 3
    pushl   $stack_32 - 1023                // not a multiple of 4
    pushl   $0x40202                        // AC, IF
    pushl   $0x18 + 3
    pushl   $2f
    iret
2:  mov     $0x20 + 3, %eax
    mov     %eax, %ds
    mov     gates + 1, %eax                 // the first #AC
handler:
    jmp     handler
    .code64

    .data
    .align 8
table:
    .quad 0
    .quad 0x00cf9b000000ffff                // 0x08 code, 32-bit
    .quad 0x00cf93000000ffff                // 0x10 data
    .quad 0x00cffb000000ffff                // 0x18 code, CPL 3
    .quad 0x00cff3000000ffff                // 0x20 data, CPL 3
table_pointer:
    .word 5 * 8 - 1
    .quad table
gates_pointer:
    .word 32 * 8 - 1
    .long gates

    .bss
    .align 16
gates:
    .skip 256
    .skip 4096
stack_32:
    .section .note.GNU-stack, "", @progbits
