// SPDX-License-Identifier: Apache-2.0
//
// See instructions.hpp.
#include "drivers/instructions.hpp"
#include "drivers/hypercalls.hpp"

namespace kennel::service {

u8 read_port(u16 port)
{
    u8 value;
    asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

void write_port(u16 port, u8 value) { asm volatile("outb %0, %1" : : "a"(value), "Nd"(port)); }

u16 read_port16(u16 port)
{
    u16 value;
    asm volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

void write_port16(u16 port, u16 value) { asm volatile("outw %0, %1" : : "a"(value), "Nd"(port)); }

u32 read_port32(u16 port)
{
    u32 value;
    asm volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

void write_port32(u16 port, u32 value) { asm volatile("outl %0, %1" : : "a"(value), "Nd"(port)); }

u64 time_stamp()
{
    u32 low, high;
    asm volatile("rdtsc" : "=a"(low), "=d"(high));
    return (static_cast<u64>(high) << 32) | low;
}

void relax() { asm volatile("pause"); }

void fill_zero(void* to, u64 bytes)
{
    u64 words = bytes / 8, rest = bytes % 8;
    asm volatile("rep stosq" : "+D"(to), "+c"(words) : "a"(0ull) : "memory");
    asm volatile("rep stosb" : "+D"(to), "+c"(rest) : "a"(0ull) : "memory");
}

void copy_bytes(void* to, void const* from, u64 bytes)
{
    u64 words = bytes / 8, rest = bytes % 8;
    asm volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
    asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(rest) : : "memory");
}

void stop_here()
{
    for (;;)
        static_cast<void>(wait());
}

} // namespace kennel::service
