// SPDX-License-Identifier: Apache-2.0
#include "tests/machine/guest/verdict.hpp"

namespace kennel::guest {

// Ends with reason triple-fault.
constinit char const* const title = "triple fault";

void check(Verdict&)
{
    struct [[gnu::packed]] { u16 limit; u64 base; } const none{0, 0};
    asm volatile("lidt %0; ud2" :: "m"(none));
}

} // namespace kennel::guest
