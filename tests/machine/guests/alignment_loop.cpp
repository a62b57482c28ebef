// SPDX-License-Identifier: Apache-2.0
#include "tests/machine/guest/processor.hpp"
#include "tests/machine/guest/traps.hpp"
#include "tests/machine/guest/verdict.hpp"

extern "C" char trap_stubs[];

namespace kennel::guest {

// Delivers #AC for ever where nothing stops it: its handler runs at CPL 3 on a stack that is not aligned, so that
// pushing its frame is the next #AC. The others must not notice; tests/machine/run ends it.
constinit char const* const title = "alignment check loop";

void check(Verdict&)
{
    struct Gate { u16 low; u16 selector; u8 ist; u8 kind; u16 middle; u32 high; u32 reserved; };
    struct [[gnu::packed]] { u16 limit; u64 base; } pointer{};
    asm volatile("sidt %0" : "=m"(pointer));
    reinterpret_cast<Gate*>(pointer.base)[vector::alignment].selector = 0x18 + 3;
    write_cr0(read_cr0() | 1u << 18);
    say("looping in #AC");
    attempt_as_user([] {
        asm volatile("pushf; orl $0x40000, (%rsp); popf; sub $4, %rsp; movl $1, 1(%rsp)");
        asm volatile("mov 1(%rsp), %eax");
    });
    fail("it went through", 0, 1);
}

} // namespace kennel::guest
