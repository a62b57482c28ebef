/* SPDX-License-Identifier: Apache-2.0
 * Room for the function names; tools/symbols fills it after linking. */
        .section .symbols, "a"
        .balign 4
        .skip   24576
        .section .note.GNU-stack, "", @progbits
