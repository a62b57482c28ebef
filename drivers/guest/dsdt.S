/* SPDX-License-Identifier: Apache-2.0
 *
 * dsdt.asl as iasl compiled it, as data.
 */
        .section .rodata
        .balign 16
        .globl  dsdt_begin, dsdt_end
dsdt_begin:
        .incbin "dsdt.aml"
dsdt_end:
        .section .note.GNU-stack, "", @progbits
