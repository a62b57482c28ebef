// SPDX-License-Identifier: Apache-2.0
#include "tests/machine/guest/processor.hpp"
#include "tests/machine/guest/verdict.hpp"

namespace kennel::guest {

constinit char const* const title = "pio: string instructions move their registers and their bytes";

void check(Verdict& verdict)
{
    static u8 bytes[8] = {1, 2, 3, 4, 5, 6, 7, 8}, back[8];
    u16 const scratch = 0x3ff;
    u8 const* source = bytes;
    u64 count = 8;
    asm volatile("rep outsb" : "+S"(source), "+c"(count) : "d"(scratch) : "memory");
    verdict.equal("rsi moved", static_cast<u64>(source - bytes), 8);
    verdict.equal("rcx ran out", count, 0);
    verdict.equal("the last byte stayed", in8(scratch), 8);
    u8* target = back;
    count = 3;
    asm volatile("rep insb" : "+D"(target), "+c"(count) : "d"(scratch) : "memory");
    verdict.equal("rdi moved", static_cast<u64>(target - back), 3);
    verdict.equal("bytes came", back[0] + back[1] + back[2], 24);
    verdict.equal("no more than asked", back[3], 0);
    target = back + 7;
    count = 2;
    asm volatile("std; rep insb; cld" : "+D"(target), "+c"(count) : "d"(scratch) : "memory");
    verdict.equal("downwards", static_cast<u64>(target - back), 5);
    verdict.equal("bytes came downwards", back[7] + back[6] + back[5], 16);
    source = bytes;
    asm volatile("outsw" : "+S"(source) : "d"(static_cast<u16>(0xcfc)) : "memory");
    verdict.equal("without REP", static_cast<u64>(source - bytes), 2);
}

} // namespace kennel::guest
