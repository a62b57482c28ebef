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

// Ordering: everything said before lies in memory before the device hears of it; x86 keeps stores in order, and the compiler must.
u32  read_register(u64 address)
{
    u32 value;
    asm volatile("movl (%1), %0" : "=r"(value) : "r"(address) : "memory");
    return value;
}
void write_register(u64 address, u32 value) { asm volatile("movl %0, (%1)" : : "r"(value), "r"(address) : "memory"); }

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

namespace {

struct RandomSources { bool seed, generator; };

// SDM, "CPUID": leaf 7 EBX[18] and leaf 1 ECX[30].
RandomSources random_sources()
{
    u32 a = 7, b, c = 0, d;
    asm volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    bool const seed = b & 1u << 18;
    a = 1;
    c = 0;
    asm volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    return {seed, (c & 1u << 30) != 0};
}

constinit u8 random_source = 0;                     // 1: RDRAND, 2: RDSEED

} // namespace

bool has_random_words()
{
    RandomSources const sources = random_sources();
    __atomic_store_n(&random_source, sources.seed ? 2 : sources.generator ? 1 : 0, __ATOMIC_RELAXED);
    return sources.seed || sources.generator;
}

std::optional<u64> random_word()
{
    // SDM, "Random Number Generator Instructions": a few attempts; RDSEED may be exhausted for longer than that.
    u8 const source = __atomic_load_n(&random_source, __ATOMIC_RELAXED);
    for (int attempt = 0; source && attempt < 10; attempt++) {
        u64 word;
        bool valid;
        if (source == 2)
            asm volatile("rdseed %0" : "=r"(word), "=@ccc"(valid));
        else
            asm volatile("rdrand %0" : "=r"(word), "=@ccc"(valid));
        if (valid)
            return word;
        relax();
    }
    return std::nullopt;
}

void stop_here()
{
    for (;;)
        static_cast<void>(wait());
}

} // namespace kennel::service
