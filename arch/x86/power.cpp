// SPDX-License-Identifier: Apache-2.0
//
// Off and reset, by what the loader found. ACPI, "Sleep States" and "Reset Register".
#include "arch/x86/host.hpp"
#include "arch/x86/instructions.hpp"

namespace kennel::arch {

void power(Machine& machine, bool reset)
{
    abi::PowerControl const& p = machine.boot->power;
    finish_log();
    if (!reset) {
        if (p.sleep_known && p.pm1a_control) {
            // SLP_TYP in bits 12:10, SLP_EN bit 13; the other bits stay as they are.
            constexpr u16 enable = 1u << 13, type_mask = 7u << 10;
            out16(p.pm1a_control, static_cast<u16>((in16(p.pm1a_control) & ~type_mask) | (p.sleep_a << 10) | enable));
            if (p.pm1b_control)
                out16(p.pm1b_control, static_cast<u16>((in16(p.pm1b_control) & ~type_mask) | (p.sleep_b << 10) | enable));
            wait_us(500'000);
        }
        if (p.emulator_exit)
            for (char c : {'S', 'h', 'u', 't', 'd', 'o', 'w', 'n'})
                out8(0x8900, static_cast<u8>(c));
        return;
    }
    if (p.reset_space == abi::AddressSpace::port && p.reset_address <= 0xffff) {
        out8(static_cast<u16>(p.reset_address), static_cast<u8>(p.reset_value));
        wait_us(100'000);
    }
    out8(0xcf9, 0x02);                         // PCI reset control: every chipset since the PIIX3 has it
    out8(0xcf9, 0x06);
    wait_us(100'000);
    lidt({0, 0});                              // no vectors at all: the next exception is a shutdown, which resets the board
    asm volatile("ud2");
}

} // namespace kennel::arch
