/* SPDX-License-Identifier: Apache-2.0
 *
 * The guest of mechanisms.cpp: 32-bit code that carries out orders. It lies at 0x1000, the order (struct Order) at 0x2000.
 * Between two orders it writes to port 0x40, which its service claims.
 */
        .section .rodata.guest, "a"
        .globl  order_guest, order_guest_end
        .code32
order_guest:
        mov     $0x2000, %ebx
next:   out     %al, $0x40
        mov     0(%ebx), %eax           /* what */
        mov     4(%ebx), %esi           /* where: address, or port */
        mov     12(%ebx), %edi          /* how often */
        cmp     $1, %eax
        je      load
        cmp     $2, %eax
        je      store
        cmp     $3, %eax
        je      bell
        cmp     $4, %eax
        je      watch
        cmp     $5, %eax
        je      sleep
        cmp     $6, %eax
        je      fault_address
        ud2

load:   mov     (%esi), %eax
        mov     %eax, 8(%ebx)
        jmp     next

store:  mov     8(%ebx), %eax
        mov     %eax, (%esi)            /* two bytes long */
        jmp     next

bell:   rdtsc                           /* when, then as many bells, then as many turns of a loop as `value` says */
        mov     %eax, 20(%ebx)
        mov     %edx, 24(%ebx)
        mov     %esi, %edx
1:      out     %ax, %dx
        incl    16(%ebx)
        dec     %edi
        jnz     1b
        mov     8(%ebx), %ecx
2:      test    %ecx, %ecx
        jz      next
        incl    16(%ebx)
        dec     %ecx
        jmp     2b

watch:  mov     (%esi), %eax            /* for ever: what it read, and how often */
        mov     %eax, 8(%ebx)
        incl    16(%ebx)
        jmp     watch

sleep:  mov     %esi, %edx
        out     %ax, %dx
        sti
        hlt
        ud2

fault_address:
        mov     %esi, %cr2
        jmp     next
order_guest_end:

        .section .note.GNU-stack, "", @progbits
