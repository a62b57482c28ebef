// SPDX-License-Identifier: Apache-2.0
//
// See symbols.hpp. Section .symbols, filled after linking: u32 count; count times {u32 offset from the image's start,
// u32 position of the name in the text behind}; names, NUL-terminated. Sorted by offset.
#include "arch/x86/symbols.hpp"
#include "hv/abi/boot_info.hpp"

extern "C" kennel::u32 const symbol_table[], symbol_table_end[];

namespace kennel::arch {

Symbol symbol_at(u64 address)
{
    u32 const count = symbol_table[0], words = static_cast<u32>(symbol_table_end - symbol_table);
    if (count == 0 || count > words / 2 || address < abi::image_virtual_base)
        return {"?", 0};
    u64 const offset = address - abi::image_virtual_base;
    u32 best = count;
    for (u32 i = 0; i < count && symbol_table[1 + 2 * i] <= offset; i++)
        best = i;
    if (best == count)
        return {"?", 0};
    char const* name = reinterpret_cast<char const*>(symbol_table + 1 + 2 * count) + symbol_table[2 + 2 * best];
    if (name >= reinterpret_cast<char const*>(symbol_table_end))
        return {"?", 0};
    return {name, offset - symbol_table[1 + 2 * best]};
}

} // namespace kennel::arch
