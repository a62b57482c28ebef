// SPDX-License-Identifier: Apache-2.0
#include "tests/machine/guest/processor.hpp"
#include "tests/machine/guest/traps.hpp"
#include "tests/machine/guest/verdict.hpp"

namespace kennel::guest {

constinit char const* const title = "unclaimed ports and addresses: reads give ones, writes vanish, nothing is faulted";

void check(Verdict& verdict)
{
    constexpr u16 nobody = 0x2e8;
    constexpr u64 nowhere = 0xb000'0000;
    Fault const fault = attempt([&] {
        verdict.equal("byte port", in8(nobody), 0xff);
        verdict.equal("word port", in16(nobody), 0xffff);
        verdict.equal("dword port", in32(nobody), 0xffff'ffff);
        out8(nobody, 1);
        out16(nobody, 1);
        out32(nobody, 1);
        verdict.equal("last port", in8(0xffff), 0xff);
        verdict.equal("byte", read<u8>(nowhere), 0xff);
        verdict.equal("word", read<u16>(nowhere + 2), 0xffff);
        verdict.equal("dword", read<u32>(nowhere + 4), 0xffff'ffff);
        verdict.equal("qword", read<u64>(nowhere + 8), ~0ull);
        write<u32>(nowhere, 0);
        verdict.equal("a write changes nothing", read<u32>(nowhere), 0xffff'ffff);
    });
    verdict.equal("no fault", fault.vector, no_fault);
}

} // namespace kennel::guest
