// SPDX-License-Identifier: Apache-2.0
//
// The instructions the loader needs that C++ has no word for: one wrapper each.
#pragma once
#include "hv/lib/types.hpp"

namespace kennel::boot {

struct CpuidLeaf { u32 eax, ebx, ecx, edx; };

inline CpuidLeaf cpuid(u32 leaf, u32 subleaf = 0)
{
    CpuidLeaf out;
    asm volatile("cpuid" : "=a"(out.eax), "=b"(out.ebx), "=c"(out.ecx), "=d"(out.edx) : "a"(leaf), "c"(subleaf));
    return out;
}

// #GP where the processor does not have it: look at CPUID first.
inline u64 read_msr(u32 index)
{
    u32 low, high;
    asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(index));
    return low | u64{high} << 32;
}

inline void write_msr(u32 index, u64 value)
{
    asm volatile("wrmsr" : : "c"(index), "a"(static_cast<u32>(value)), "d"(static_cast<u32>(value >> 32)) : "memory");
}

// Ordered against the loads before it: LFENCE waits for them. SDM, "Time-Stamp Counter".
inline u64 read_tsc()
{
    u32 low, high;
    asm volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return low | u64{high} << 32;
}

inline u8 in8(u16 port)
{
    u8 value;
    asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

inline u32 in32(u16 port)
{
    u32 value;
    asm volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

inline void out8(u16 port, u8 value) { asm volatile("outb %0, %1" : : "a"(value), "Nd"(port)); }

inline u64 read_cr4()
{
    u64 value;
    asm volatile("mov %%cr4, %0" : "=r"(value));
    return value;
}

inline void write_cr4(u64 value) { asm volatile("mov %0, %%cr4" : : "r"(value) : "memory"); }

inline void interrupts_off() { asm volatile("cli" : : : "memory"); }
inline void interrupts_on()  { asm volatile("sti" : : : "memory"); }
inline void pause()          { asm volatile("pause" : : : "memory"); }

} // namespace kennel::boot
