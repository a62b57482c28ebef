// SPDX-License-Identifier: Apache-2.0
#include "tests/machine/guest/processor.hpp"
#include "tests/machine/guest/traps.hpp"
#include "tests/machine/guest/verdict.hpp"

namespace kennel::guest {

constinit char const* const title = "memory: behind the guest's own RAM there is nothing, up to 4 GiB";

void check(Verdict& verdict)
{
    constexpr u64 own_end = 4ull << 20;                 // as tests/machine/run gives it
    static u32 volatile mine = 0x1234'5678;
    write<u32>(own_end - 4, 0xabcd'0123);
    verdict.equal("the last word of RAM", read<u32>(own_end - 4), 0xabcd'0123);
    Fault const fault = attempt([&] {
        for (u64 at = own_end; at < 0xa000'0000; at += 0x0700'0000 + 0x4a'b000) {
            verdict.equal("nothing there", read<u64>(at), ~0ull);
            write<u64>(at, 0);
        }
        verdict.equal("just behind", read<u32>(own_end), 0xffff'ffff);
    });
    verdict.equal("no fault", fault.vector, no_fault);
    verdict.equal("own memory is unharmed", mine, 0x1234'5678);
}

} // namespace kennel::guest
