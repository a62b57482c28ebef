// SPDX-License-Identifier: Apache-2.0
//
// What the processor does for drivers/ and needs no script: memory is memory, and random words are known. For host tests
// (service_fake.cpp has the rest) and fuzzers (service_stubs.cpp).
#include "drivers/instructions.hpp"
#include <cstring>

namespace kennel::service {

void relax() {}
bool has_random_words() { return true; }
std::optional<u64> random_word() { return 0x0123456789abcdef; }
void fill_zero(void* to, u64 bytes) { std::memset(to, 0, bytes); }
void copy_bytes(void* to, void const* from, u64 bytes)
{
    if (bytes)
        std::memcpy(to, from, bytes);
}

} // namespace kennel::service
