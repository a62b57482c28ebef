// SPDX-License-Identifier: Apache-2.0
//
// Two guests that share a processor and never rest, each for the same time. Their `ticks` at their ends are their shares.
#pragma once
#include "tests/machine/guest/processor.hpp"
#include "tests/machine/guest/verdict.hpp"

namespace kennel::guest {

// Three seconds, as Kennel's CPUID 15h tells the TSC: crystal * numerator / denominator.
inline u64 busy_until()
{
    CpuidWords const clock = cpuid(0x15);
    if (clock.eax == 0 || clock.ecx == 0)
        fail("CPUID 15h tells the TSC's frequency", 0, 1);
    return rdtsc() + 3 * (u64{clock.ecx} * clock.ebx / clock.eax);
}

} // namespace kennel::guest
