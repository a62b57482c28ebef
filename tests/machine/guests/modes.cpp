// SPDX-License-Identifier: Apache-2.0
#include "tests/machine/guest/verdict.hpp"

extern "C" void visit_modes(kennel::u32* marks);

namespace kennel::guest {

constinit char const* const title = "modes: compatibility, protected, real mode with an INT, and back to 64 bits";

void check(Verdict& verdict)
{
    for (int round = 0; round < 3; round++) {
        u32 marks[7] = {};
        visit_modes(marks);
        verdict.equal("compatibility mode", marks[0], 0xc0de'0001);
        verdict.equal("protected mode without paging", marks[1], 0xc0de'0002);
        verdict.equal("real mode", marks[2], 0xc0de'0003);
        verdict.equal("an INT in real mode", marks[3], 0xc0de'0004);
        verdict.equal("protected mode again", marks[4], 0xc0de'0005);
        verdict.equal("CPUID at the end of 4 GiB, in compatibility mode", marks[5], 0xc0de'0006);
        verdict.equal("IN there, without paging", marks[6], 0xc0de'0007);
    }
}

} // namespace kennel::guest
