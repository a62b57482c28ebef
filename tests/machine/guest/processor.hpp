// SPDX-License-Identifier: Apache-2.0
//
// The processor as a test guest uses it: one wrapper per instruction.
#pragma once
#include "hv/lib/types.hpp"

namespace kennel::guest {

inline u8  in8(u16 port)  { u8 v;  asm volatile("inb %1, %0" : "=a"(v) : "Nd"(port)); return v; }
inline u16 in16(u16 port) { u16 v; asm volatile("inw %1, %0" : "=a"(v) : "Nd"(port)); return v; }
inline u32 in32(u16 port) { u32 v; asm volatile("inl %1, %0" : "=a"(v) : "Nd"(port)); return v; }
inline void out8(u16 port, u8 v)   { asm volatile("outb %0, %1" :: "a"(v), "Nd"(port)); }
inline void out16(u16 port, u16 v) { asm volatile("outw %0, %1" :: "a"(v), "Nd"(port)); }
inline void out32(u16 port, u32 v) { asm volatile("outl %0, %1" :: "a"(v), "Nd"(port)); }

struct CpuidWords { u32 eax, ebx, ecx, edx; };
inline CpuidWords cpuid(u32 leaf, u32 subleaf = 0)
{
    CpuidWords w{};
    asm volatile("cpuid" : "=a"(w.eax), "=b"(w.ebx), "=c"(w.ecx), "=d"(w.edx) : "a"(leaf), "c"(subleaf));
    return w;
}

inline u64 rdmsr(u32 index)
{
    u32 low, high;
    asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(index));
    return static_cast<u64>(high) << 32 | low;
}
inline void wrmsr(u32 index, u64 value) { asm volatile("wrmsr" :: "c"(index), "a"(static_cast<u32>(value)), "d"(static_cast<u32>(value >> 32)) : "memory"); }

inline u64 rdtsc()
{
    u32 low, high;
    asm volatile("rdtsc" : "=a"(low), "=d"(high));
    return static_cast<u64>(high) << 32 | low;
}

inline u64 read_cr0() { u64 v; asm volatile("mov %%cr0, %0" : "=r"(v)); return v; }
inline u64 read_cr2() { u64 v; asm volatile("mov %%cr2, %0" : "=r"(v)); return v; }
inline u64 read_cr3() { u64 v; asm volatile("mov %%cr3, %0" : "=r"(v)); return v; }
inline u64 read_cr4() { u64 v; asm volatile("mov %%cr4, %0" : "=r"(v)); return v; }
inline u64 read_cr8() { u64 v; asm volatile("mov %%cr8, %0" : "=r"(v)); return v; }
inline void write_cr0(u64 v) { asm volatile("mov %0, %%cr0" :: "r"(v) : "memory"); }
inline void write_cr3(u64 v) { asm volatile("mov %0, %%cr3" :: "r"(v) : "memory"); }
inline void write_cr4(u64 v) { asm volatile("mov %0, %%cr4" :: "r"(v) : "memory"); }
inline void write_cr8(u64 v) { asm volatile("mov %0, %%cr8" :: "r"(v) : "memory"); }

inline void sti() { asm volatile("sti" ::: "memory"); }
inline void cli() { asm volatile("cli" ::: "memory"); }
inline void sti_hlt() { asm volatile("sti; hlt" ::: "memory"); }
inline void sti_nop_cli() { asm volatile("sti; nop; nop; cli" ::: "memory"); }   // room for what is pending
inline bool interrupts_on() { u64 f; asm volatile("pushf; pop %0" : "=r"(f)); return f & 0x200; }

template<class T> T read(u64 address) { return *reinterpret_cast<T volatile*>(address); }
template<class T> void write(u64 address, T value) { *reinterpret_cast<T volatile*>(address) = value; }

struct HypercallResult { u64 status, rdi, rsi; };
inline HypercallResult hypercall(u64 number, u64 rdi = 0, u64 rsi = 0, u64 rdx = 0)
{
    HypercallResult r{number, rdi, rsi};
    asm volatile("vmcall" : "+a"(r.status), "+D"(r.rdi), "+S"(r.rsi) : "d"(rdx) : "memory");
    return r;
}

} // namespace kennel::guest
