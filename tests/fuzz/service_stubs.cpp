// SPDX-License-Identifier: Apache-2.0
//
// What drivers/ asks of the processor and of hv, answered for fuzzers: memory is memory, time stands, hv says yes.
#include "drivers/hypercalls.hpp"
#include "drivers/instructions.hpp"
#include <cstring>

namespace kennel::service {

Answer hypercall(abi::Call, u64, u64, u64, u64, u64) { return {Status::ok, 1, 0}; }
u8   read_port(u16) { return 0xff; }
void write_port(u16, u8) {}
u16  read_port16(u16) { return 0xffff; }
void write_port16(u16, u16) {}
u32  read_port32(u16) { return 0xffff'ffff; }
void write_port32(u16, u32) {}
u64  time_stamp() { return 1'000'000; }
void relax() {}
bool has_random_words() { return true; }
std::optional<u64> random_word() { return 0x0123456789abcdef; }
void fill_zero(void* to, u64 bytes) { std::memset(to, 0, bytes); }
void copy_bytes(void* to, void const* from, u64 bytes)
{
    if (bytes)
        std::memcpy(to, from, bytes);
}
void stop_here() { __builtin_trap(); }

} // namespace kennel::service
