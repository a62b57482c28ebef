// SPDX-License-Identifier: Apache-2.0
//
// ELF files for fuzzers: mostly right, so that what lies behind the first checks is reached, and wrong in one place or another.
#pragma once
#include "tests/fuzz/input.hpp"
#include <vector>

namespace kennel::fuzz {

// `base`: where segments go, more or less. A first byte of 0 leaves the rest as it is.
inline std::vector<u8> elf_file(Input& input, u64 base)
{
    if (input.take<u8>() == 0)
        return {input.rest().begin(), input.rest().end()};
    u32 const segments = input.take<u8>() % 20u;
    std::vector<u8> file(64 + 56 * segments + input.take<u16>() % 4096u, 0xcc);
    auto put = [&](usize at, auto value) { std::memcpy(&file[at], &value, sizeof value); };
    put(0, u32{0x464c'457f}), put(4, u8{2}), put(5, u8{1}), put(16, u16{2}), put(18, u16{62}), put(24, base + input.take<u16>());
    put(32, u64{64}), put(54, u16{56}), put(56, static_cast<u16>(segments));
    for (u32 i = 0; i < segments; i++) {
        usize const at = 64 + 56 * i;
        u8 const kind = input.take<u8>();
        u64 const offset = input.take<u16>() % (file.size() + 1), address = base + ((kind & 8) ? input.take<u16>() : page_size * (input.take<u8>() % 64u));
        u64 const size = input.take<u16>() % (file.size() - offset + 1);
        put(at, u32{(kind & 0xf0) != 0xf0}), put(at + 4, u32{kind & 7u}), put(at + 8, offset), put(at + 16, address);
        put(at + 24, address), put(at + 32, size), put(at + 40, size + ((kind & 16) ? input.take<u16>() : 0));
    }
    while (!input.empty()) {                            // a few bytes of the headers changed at will
        usize const at = input.take<u16>() % (64 + 56 * segments);
        file[at] = input.take<u8>();
    }
    return file;
}

} // namespace kennel::fuzz
