// SPDX-License-Identifier: Apache-2.0
#include "tests/machine/guest/processor.hpp"
#include "tests/machine/guest/verdict.hpp"

namespace kennel::guest {

constinit char const* const title = "pio: IN and OUT of each width, and what they leave of rax";

void check(Verdict& verdict)
{
    constexpr u16 scratch = 0x3ff, address = 0xcf8, data = 0xcfc;
    out8(scratch, 0x5a);
    verdict.equal("byte", in8(scratch), 0x5a);
    out32(address, 0x8000'0000);
    verdict.equal("dword", in32(address), 0x8000'0000);
    u32 const identity = in32(data);
    verdict.that("a host bridge", identity != 0xffff'ffff && identity != 0);
    verdict.equal("low word", in16(data), identity & 0xffff);
    verdict.equal("high word", in16(data + 2), identity >> 16);
    verdict.equal("third byte", in8(data + 2), identity >> 16 & 0xff);
    u64 rax = 0x1122'3344'5566'7788;
    asm volatile("in %%dx, %%al" : "+a"(rax) : "d"(scratch));
    verdict.equal("IN to AL", rax, 0x1122'3344'5566'775a);
    rax = 0x1122'3344'5566'7788;
    asm volatile("in %%dx, %%ax" : "+a"(rax) : "d"(data));
    verdict.equal("IN to AX", rax, 0x1122'3344'5566'0000 | (identity & 0xffff));
    rax = 0x1122'3344'5566'7788;
    asm volatile("in %%dx, %%eax" : "+a"(rax) : "d"(data));
    verdict.equal("IN to EAX", rax, identity);
}

} // namespace kennel::guest
