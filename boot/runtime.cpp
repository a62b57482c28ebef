// SPDX-License-Identifier: Apache-2.0
//
// What the compiler expects to find in every program, beside hv/lib/memory.cpp: the stack protector's two
// symbols, and abort. Nothing of the loader's flow is here.
#include "boot/instructions.hpp"
#include "boot/serial.hpp"
#include <string_view>

using namespace kennel;
using namespace kennel::boot;

extern "C" {

u64 __stack_chk_guard = 0x6b65'6e6e'656c'000a;   // made unguessable first thing in efi_main

// Our own defect, and nothing can be trusted any more: say so where no firmware is needed, and stay.
[[noreturn]] static void broken(std::string_view what)
{
    serial_line(console_port_base, what);
    for (;;) {
        interrupts_off();
        asm volatile("hlt");
    }
}

[[noreturn]] void __stack_chk_fail();
[[noreturn]] void __stack_chk_fail() { broken("kennel: cannot start: defect in the loader: its stack was overwritten"); }
[[noreturn]] void abort() { broken("kennel: cannot start: defect in the loader: abort was called"); }

} // extern "C"
