// SPDX-License-Identifier: Apache-2.0
#include "tests/machine/guest/apic.hpp"
#include "tests/machine/guest/verdict.hpp"

namespace kennel::guest {

// Ends with reason left-x2apic.
constinit char const* const title = "leaving x2APIC mode";

void check(Verdict&)
{
    wrmsr(apic::base, rdmsr(apic::base) & ~0xc00ull);   // off is the one way out of it
}

} // namespace kennel::guest
