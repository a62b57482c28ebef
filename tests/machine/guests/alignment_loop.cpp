// SPDX-License-Identifier: Apache-2.0
#include "tests/machine/guest/verdict.hpp"

extern "C" [[noreturn]] void loop_in_alignment_check();

namespace kennel::guest {

// #AC whose delivery is #AC, for ever where nothing stops it. The others must not notice; tests/machine/run ends it.
constinit char const* const title = "alignment check loop";

void check(Verdict&)
{
    say("looping in #AC");
    loop_in_alignment_check();
}

} // namespace kennel::guest
