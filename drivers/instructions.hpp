// SPDX-License-Identifier: Apache-2.0
//
// What only the processor can do: ports, the time stamp counter, fast fills and copies. Defined in instructions.cpp
// and inlined when linking; host tests bring their own ports and their own time.
#pragma once
#include "hv/lib/types.hpp"
#include <optional>

namespace kennel::service {

u8   read_port(u16 port);
void write_port(u16 port, u8 value);
u16  read_port16(u16 port);                         // the machine's own ports: only the service that owns the devices reaches any
void write_port16(u16 port, u16 value);
u32  read_port32(u16 port);
void write_port32(u16 port, u32 value);
u32  read_register(u64 address);                    // of a device in memory
void write_register(u64 address, u32 value);

u64  time_stamp();                                  // TSC ticks; the same on every CPU and in every guest
void relax();                                       // inside a loop that waits

void fill_zero(void* to, u64 bytes);                // REP STOS: guest RAM is large, and a loop is slower
void copy_bytes(void* to, void const* from, u64 bytes);

bool has_random_words();                            // asks the processor: at start
std::optional<u64> random_word();                   // RDSEED, else RDRAND; nothing: it has none at the moment

[[noreturn]] void stop_here();                      // nothing can be done any more, and saying so was done

} // namespace kennel::service
