/* SPDX-License-Identifier: Apache-2.0
 *
 * How a CPU gets to C++. The boot CPU comes from the loader in long mode; the others from a start-up IPI in real
 * mode, through a copy of `trampoline` in the page below 1 MiB that the loader set aside.
 */
        .section .text.start, "ax"
        .code64
        .globl  hypervisor_entry
hypervisor_entry:                       /* rdi: BootInfo, virtual */
        cli
        cld
        lea     boot_stack_top(%rip), %rsp
        xor     %ebp, %ebp
        rdtsc                           /* the stack protector's value: time is the only entropy every CPU has */
        shl     $32, %rdx
        or      %rdx, %rax
        mov     $0x9e3779b97f4a7c15, %rcx
        imul    %rcx, %rax
        xor     %al, %al                /* a zero byte stops string overruns */
        mov     %rax, __stack_chk_guard(%rip)
        call    boot_cpu_main
        ud2

        /* ---- the other CPUs ---- */
        .section .rodata.trampoline, "a"
        .globl  trampoline, trampoline_end, trampoline_data
        .code16
trampoline:
        cli
        cld
        mov     %cs, %ax
        mov     %ax, %ds
        movzwl  %ax, %ebx
        shl     $4, %ebx                /* ebx: physical address of this page */
        /* The pointers inside the page, for where it is. */
        .irp    target, _gdt, 32, 64
        lea     (trampoline\target - trampoline)(%ebx), %eax
        mov     %eax, (to_trampoline\target - trampoline)
        .endr
        lgdtl   (trampoline_gdtr - trampoline)
        mov     %cr0, %eax
        or      $1, %eax
        mov     %eax, %cr0
        ljmpl   *(to_trampoline32 - trampoline)
        .code32
trampoline32:
        mov     $0x10, %ax
        mov     %ax, %ds
        mov     %ax, %es
        mov     %ax, %ss
        mov     $0x20, %eax             /* CR4.PAE */
        mov     %eax, %cr4
        mov     (trampoline_data - trampoline)(%ebx), %eax
        mov     %eax, %cr3
        mov     $0xc0000080, %ecx       /* EFER: LME, NXE */
        rdmsr
        or      $0x900, %eax
        wrmsr
        mov     %cr0, %eax
        or      $0x80010000, %eax       /* PG, WP */
        mov     %eax, %cr0
        ljmpl   *(to_trampoline64 - trampoline)(%ebx)
        .code64
trampoline64:
        mov     (trampoline_data - trampoline + 8)(%rbx), %rsp
        mov     (trampoline_data - trampoline + 16)(%rbx), %rdi
        mov     (trampoline_data - trampoline + 24)(%rbx), %rax
        xor     %ebp, %ebp
        call    *%rax
        ud2
        .balign 8
trampoline_gdt:
        .quad   0
        .quad   0x00af9b000000ffff      /* 0x08: 64-bit code */
        .quad   0x00cf93000000ffff      /* 0x10: data */
        .quad   0x00cf9b000000ffff      /* 0x18: 32-bit code */
trampoline_gdtr:
        .word   31
to_trampoline_gdt:
        .long   0
to_trampoline32:
        .long   0, 0x18
to_trampoline64:
        .long   0, 0x08
        .balign 8
trampoline_data:                        /* TrampolineData in smp.cpp: cr3, stack, Cpu, entry */
        .quad   0, 0, 0, 0
trampoline_end:

        .section .bss
        .balign 16
        .skip   16384
boot_stack_top:

        .section .note.GNU-stack, "", @progbits
