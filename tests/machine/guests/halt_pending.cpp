// SPDX-License-Identifier: Apache-2.0
#include "tests/machine/guest/apic.hpp"
#include "tests/machine/guest/traps.hpp"
#include "tests/machine/guest/verdict.hpp"

namespace kennel::guest {

constinit char const* const title = "halt: sti; hlt with an interrupt pending does not sleep, and returns behind the HLT";

void check(Verdict& verdict)
{
    constexpr u8 vector = 0x40;
    static u64 came_at;
    apic::enable();
    on(vector, [](Frame& frame) { came_at = frame.rip; wrmsr(apic::end_of_interrupt, 0); });
    for (u32 i = 0; i < 20; i++) {
        wrmsr(apic::self, vector);
        u64 behind = 0;
        came_at = 0;
        asm volatile("lea 1f(%%rip), %0; sti; hlt; 1: cli" : "=&r"(behind) :: "memory");
        verdict.equal("interrupted behind the HLT", came_at, behind);
    }
}

} // namespace kennel::guest
