// SPDX-License-Identifier: Apache-2.0
//
// One wrapper per instruction the compiler does not know. Outputs by flag where the processor reports by flag.
#pragma once
#include "hv/lib/types.hpp"

namespace kennel::arch {

struct CpuidWords { u32 eax, ebx, ecx, edx; };

inline CpuidWords cpuid(u32 leaf, u32 subleaf = 0)
{
    CpuidWords r;
    asm volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(subleaf));
    return r;
}

inline u64 rdtsc()
{
    u32 low, high;
    asm volatile("rdtsc" : "=a"(low), "=d"(high));
    return (static_cast<u64>(high) << 32) | low;
}

inline u64 rdmsr(u32 index)
{
    u32 low, high;
    asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(index) : "memory");
    return (static_cast<u64>(high) << 32) | low;
}
inline void wrmsr(u32 index, u64 value)
{
    asm volatile("wrmsr" : : "c"(index), "a"(static_cast<u32>(value)), "d"(static_cast<u32>(value >> 32)) : "memory");
}

inline u64  read_cr0() { u64 v; asm volatile("mov %%cr0, %0" : "=r"(v)); return v; }
inline u64  read_cr2() { u64 v; asm volatile("mov %%cr2, %0" : "=r"(v)); return v; }
inline u64  read_cr3() { u64 v; asm volatile("mov %%cr3, %0" : "=r"(v)); return v; }
inline u64  read_cr4() { u64 v; asm volatile("mov %%cr4, %0" : "=r"(v)); return v; }
inline void write_cr0(u64 v) { asm volatile("mov %0, %%cr0" : : "r"(v) : "memory"); }
inline void write_cr2(u64 v) { asm volatile("mov %0, %%cr2" : : "r"(v)); }
inline void write_cr3(u64 v) { asm volatile("mov %0, %%cr3" : : "r"(v) : "memory"); }
inline void write_cr4(u64 v) { asm volatile("mov %0, %%cr4" : : "r"(v) : "memory"); }

template<unsigned n> u64  read_dr() { u64 v; asm volatile("mov %%dr%c1, %0" : "=r"(v) : "i"(n)); return v; }
template<unsigned n> void write_dr(u64 v) { asm volatile("mov %0, %%dr%c1" : : "r"(v), "i"(n)); }

inline void xsetbv(u32 index, u64 value)
{
    asm volatile("xsetbv" : : "c"(index), "a"(static_cast<u32>(value)), "d"(static_cast<u32>(value >> 32)));
}
inline void xsave(void* area)   { asm volatile("xsave64 (%0)" : : "r"(area), "a"(~0u), "d"(~0u) : "memory"); }
inline void xrstor(void* area)  { asm volatile("xrstor64 (%0)" : : "r"(area), "a"(~0u), "d"(~0u) : "memory"); }

inline u8   in8(u16 port)           { u8 v;  asm volatile("inb %1, %0" : "=a"(v) : "Nd"(port)); return v; }
inline void out8(u16 port, u8 v)    { asm volatile("outb %0, %1" : : "a"(v), "Nd"(port)); }
inline void out16(u16 port, u16 v)  { asm volatile("outw %0, %1" : : "a"(v), "Nd"(port)); }
inline u16  in16(u16 port)          { u16 v; asm volatile("inw %1, %0" : "=a"(v) : "Nd"(port)); return v; }

inline void pause() { asm volatile("pause" : : : "memory"); }
[[noreturn]] inline void halt_for_ever() { for (;;) asm volatile("cli; hlt" : : : "memory"); }
inline void invlpg(u64 address) { asm volatile("invlpg (%0)" : : "r"(address) : "memory"); }
inline void verw(u16 selector) { asm volatile("verw %0" : : "m"(selector) : "cc"); }

struct [[gnu::packed]] TableRegister { u16 limit; u64 base; };
inline void lgdt(TableRegister const& t) { asm volatile("lgdt %0" : : "m"(t)); }
inline void lidt(TableRegister const& t) { asm volatile("lidt %0" : : "m"(t)); }
inline void ltr(u16 selector) { asm volatile("ltr %0" : : "r"(selector)); }

// ---- VMX: true when the instruction succeeded. SDM, "Conventions": CF or ZF set means it failed. ----
// The operand is a reference: the instruction wants it in memory, and there it is already.
inline bool vmxon(u64 const& physical)   { bool failed; asm volatile("vmxon %1" : "=@ccbe"(failed) : "m"(physical) : "memory"); return !failed; }
inline bool vmclear(u64 const& physical) { bool failed; asm volatile("vmclear %1" : "=@ccbe"(failed) : "m"(physical) : "memory"); return !failed; }
inline bool vmptrld(u64 const& physical) { bool failed; asm volatile("vmptrld %1" : "=@ccbe"(failed) : "m"(physical) : "memory"); return !failed; }

struct InvalidationDescriptor { u64 what, address; };
inline void invept(u64 type, u64 pointer)
{
    InvalidationDescriptor d{pointer, 0};
    asm volatile("invept %0, %1" : : "m"(d), "r"(type) : "memory", "cc");
}
inline void invvpid(u64 type, u64 vpid)
{
    InvalidationDescriptor d{vpid, 0};
    asm volatile("invvpid %0, %1" : : "m"(d), "r"(type) : "memory", "cc");
}

} // namespace kennel::arch
