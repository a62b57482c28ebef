// SPDX-License-Identifier: Apache-2.0
//
// What drivers/ asks of the machine and of hv, answered for fuzzers: no port answers, time stands, hv says yes. The rest:
// tests/host/service_processor.cpp.
#include "drivers/fault.hpp"
#include "drivers/hypercalls.hpp"
#include "drivers/instructions.hpp"

namespace kennel::service {

Answer hypercall(abi::Call, u64, u64, u64, u64, u64) { return {Status::ok, 1, 0}; }
u8   read_port(u16) { return 0xff; }
void write_port(u16, u8) {}
u16  read_port16(u16) { return 0xffff; }
void write_port16(u16, u16) {}
u32  read_port32(u16) { return 0xffff'ffff; }
void write_port32(u16, u32) {}
u32  read_register(u64) { return 0xffff'ffff; }
void write_register(u64, u32) {}
u64  time_stamp() { return 1'000'000; }
void stop_here() { __builtin_trap(); }
void give_up(char const*, u64) { __builtin_trap(); }

} // namespace kennel::service
