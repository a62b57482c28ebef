// SPDX-License-Identifier: Apache-2.0
#include "tests/machine/guest/processor.hpp"
#include "tests/machine/guest/verdict.hpp"

namespace kennel::guest {

// Never gives the processor back by itself. The others must go on; tests/machine/run ends it.
constinit char const* const title = "a loop with interrupts off";

void check(Verdict&)
{
    say("spinning");
    cli();
    for (;;)
        asm volatile("");
}

} // namespace kennel::guest
