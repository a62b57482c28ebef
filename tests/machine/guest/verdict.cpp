// SPDX-License-Identifier: Apache-2.0
//
// See verdict.hpp: lines on the 16550, the end by ACPI's sleep register, and where a guest begins.
#include "tests/machine/guest/verdict.hpp"
#include "drivers/model/power.hpp"
#include "tests/machine/guest/processor.hpp"
#include "tests/machine/guest/traps.hpp"

namespace kennel::guest {

namespace {

constexpr u16 com1 = 0x3f8, line_status = com1 + 5;

void put(char c)
{
    while (!(in8(line_status) & 0x20))
        ;
    out8(com1, static_cast<u8>(c));
}
void put(char const* text)
{
    while (*text)
        put(*text++);
}
void put_hex(u64 value)
{
    put("0x");
    bool any = false;
    for (int shift = 60; shift >= 0; shift -= 4)
        if (u64 const digit = (value >> shift) & 15; digit || any || shift == 0) {
            any = true;
            put("0123456789abcdef"[digit]);
        }
}

} // namespace

u64 boot_parameters = 0;

void Verdict::equal(char const* what, u64 got, u64 expected)
{
    if (got == expected || what_)
        return;
    what_ = what;
    got_ = got;
    expected_ = expected;
}

void Verdict::give()
{
    if (what_)
        fail(what_, got_, expected_);
    put("PASS ");
    put(title);
    put("\r\n");
    power_off();
}

void say(char const* text)
{
    put(text);
    put("\r\n");
}

void fail(char const* what, u64 got, u64 expected)
{
    put("FAIL ");
    put(title);
    put(": ");
    put(what);
    put(": expected ");
    put_hex(expected);
    put(", got ");
    put_hex(got);
    put("\r\n");
    power_off();
}

void power_off()
{
    using service::Power;
    out8(Power::sleep_control, Power::sleep_off << 2 | Power::sleep_enable);
    for (;;)
        asm volatile("cli; hlt");
}

} // namespace kennel::guest

extern "C" [[noreturn]] void guest_main(kennel::u64 zero_page)
{
    using namespace kennel::guest;
    boot_parameters = zero_page;
    load_traps();
    Verdict verdict;
    check(verdict);
    verdict.give();
}
