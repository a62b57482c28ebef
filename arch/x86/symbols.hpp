// SPDX-License-Identifier: Apache-2.0
//
// Function names for backtraces. The table is put into the image after linking, by tools/symbols.
#pragma once
#include "hv/lib/types.hpp"
#include <string_view>

namespace kennel::arch {

struct Symbol { std::string_view name; u64 offset; };
Symbol symbol_at(u64 address);         // "?" when the table has none

} // namespace kennel::arch
