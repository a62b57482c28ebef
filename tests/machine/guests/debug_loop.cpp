// SPDX-License-Identifier: Apache-2.0
#include "tests/machine/guest/processor.hpp"
#include "tests/machine/guest/traps.hpp"
#include "tests/machine/guest/verdict.hpp"

namespace kennel::guest {

// Delivers #DB for ever where nothing stops it: a breakpoint on the stack its own frame is pushed to. The others must
// not notice; tests/machine/run ends it.
constinit char const* const title = "debug exception loop";

extern "C" char other_stack_end[];

void check(Verdict&)
{
    use_stack(vector::debug, 1);
    on(vector::debug, [](Frame&) {});                   // where delivery does not hit the breakpoint, the loop below does
    u64 const frame = reinterpret_cast<u64>(other_stack_end) - 8;
    asm volatile("mov %0, %%dr0; mov %1, %%dr7" :: "r"(frame), "r"(0x000d'0402ull));
    say("looping in #DB");
    asm volatile("int $1");
    for (;;)
        write<u32>(frame, 1);
}

} // namespace kennel::guest
