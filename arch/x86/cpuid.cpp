// SPDX-License-Identifier: Apache-2.0
//
// The CPUID policy. A bit a guest sees is one the processor has, this table allows, and hv serves. Hiding a bit blocks
// nothing by itself: what must not work is blocked in controls.hpp and msr.cpp.
#include "arch/x86/cpuid.hpp"
#include "arch/x86/vmx.hpp"
#include "hv/log.hpp"

namespace kennel::arch {

namespace {

constexpr u32 bits(std::initializer_list<unsigned> numbers)
{
    u32 word = 0;
    for (unsigned n : numbers)
        word |= 1u << n;
    return word;
}

// ---- what may pass, by word. SDM, "CPUID - CPU Identification". ----
constexpr u32 leaf1_ecx = bits({0, 1, 9, 12, 13, 17, 19, 20, 22, 23, 25, 26, 28, 29, 30});   // SSE3 PCLMUL SSSE3 FMA CX16 PCID SSE4 MOVBE POPCNT AES XSAVE AVX F16C RDRAND
constexpr u32 leaf1_ecx_always = bits({21, 24, 31});            // x2APIC, TSC-deadline: our model; hypervisor present
constexpr u32 leaf1_edx = bits({0, 1, 2, 3, 4, 5, 6, 8, 9, 11, 12, 13, 15, 16, 17, 19, 23, 24, 25, 26, 27});   // no MCE/MCA (7, 14), ACPI/TM (22, 29), DS (21), HTT (28)
constexpr u32 leaf6_eax_always = bits({2});                     // ARAT: without it Linux wants a broadcast timer and never goes tickless
constexpr u32 leaf7_ebx = bits({0, 3, 5, 7, 8, 9, 10, 16, 17, 18, 19, 20, 21, 23, 24, 28, 29, 30, 31});   // FSGSBASE BMI AVX2 SMEP BMI2 ERMS INVPCID AVX512* RDSEED ADX SMAP CLFLUSHOPT CLWB SHA
constexpr u32 leaf7_ebx_always = bits({1});                     // TSC_ADJUST: without its MSR the clocksource watchdog runs twice a second
constexpr u32 leaf7_ecx = bits({1, 2, 6, 8, 9, 10, 11, 12, 14});// VBMI UMIP VBMI2 GFNI VAES VPCLMUL VNNI BITALG VPOPCNT: registers only
constexpr u32 leaf7_edx = bits({4, 10});                        // FSRM; MD_CLEAR: VERW works by itself. SPEC_CTRL waits for its MSR
constexpr u32 extended1_ecx = bits({0, 5, 8});                  // LAHF LZCNT PREFETCHW
constexpr u32 extended1_edx = bits({11, 20, 26, 27, 29});       // SYSCALL NX 1GiB RDTSCP LM
constexpr u32 avx_bits_leaf1_ecx = bits({12, 28, 29});
constexpr u32 avx_bits_leaf7_ebx = bits({5, 16, 17, 21, 28, 30, 31});
constexpr u32 avx512_bits_leaf7_ebx = bits({16, 17, 21, 28, 30, 31});

// Leaves whose answer is not just a row: subleaves, or a mirror of the guest's own registers.
constexpr u32 special_leaves = bits({1, 4, 7, 0xb, 0xd});

// KVM's paravirtual interface, features we serve: CLOCKSOURCE2 (3), NOP_IO_DELAY (1), CLOCKSOURCE_STABLE (24).
constexpr u32 kvm_features = bits({1, 3, 24});

u32 word(char const* text) { return static_cast<u32>(text[0]) | static_cast<u32>(text[1]) << 8 | static_cast<u32>(text[2]) << 16 | static_cast<u32>(text[3]) << 24; }

} // namespace

void find_extended_features(HostFeatures& features)
{
    // Whole groups only. All of them fit one frame: AVX-512 ends at 2,688 bytes.
    CpuidWords const main = cpuid(0xd);
    u64 wanted = Xcr0::x87 | Xcr0::sse;
    if (main.eax & Xcr0::avx)
        wanted |= Xcr0::avx;
    if ((main.eax & Xcr0::avx512) == Xcr0::avx512 && (wanted & Xcr0::avx))
        wanted |= Xcr0::avx512;
    xsetbv(0, wanted);
    features.xcr0 = wanted;
    features.extended_size = cpuid(0xd).ebx;
    if (features.extended_size > page_size)
        panic("extended state does not fit a frame", features.extended_size);
}

// A service's: every leaf is special.
static constinit CpuidTable const service_cpuid{~0u, {}, {}, {}, {}, {}, {}, {}};

CpuidTable const* make_cpuid_table(Vcpu& vcpu)
{
    if (vcpu.is_service())
        return &service_cpuid;
    auto* table = vcpu.partition->pool.create<CpuidTable>();
    if (!table)
        return nullptr;
    HostFeatures const& features = host_features();
    u32 const id = vcpu.apic.id(), host_last = cpuid(0).eax;
    bool const avx = features.xcr0 & Xcr0::avx, avx512 = features.xcr0 & bit(5);

    CpuidWords vendor = cpuid(0);
    table->special = special_leaves;
    vendor.eax = 0x16;
    table->basic[0] = vendor;
    CpuidWords& one = table->basic[1];
    one = cpuid(1);
    one.ebx = (one.ebx & 0xff00) | (1u << 16) | (id << 24);
    one.ecx = (one.ecx & leaf1_ecx & (avx ? ~0u : ~avx_bits_leaf1_ecx)) | leaf1_ecx_always;
    one.edx = one.edx & leaf1_edx;
    table->basic[2] = cpuid(2);
    for (u32 i = 0; i < 4 && host_last >= 4; i++) {
        CpuidWords c = cpuid(4, i);
        if ((c.eax & 31) == 0)
            break;
        c.eax &= 0x3fff;                                        // one logical processor shares it, one core
        table->cache[i] = c;
    }
    table->basic[6] = {leaf6_eax_always, 0, 0, 0};
    if (host_last >= 7) {
        CpuidWords const seven = cpuid(7);
        u32 const no_avx = avx ? (avx512 ? 0u : avx512_bits_leaf7_ebx) : avx_bits_leaf7_ebx;
        table->basic[7] = {0, (seven.ebx & leaf7_ebx & ~no_avx) | leaf7_ebx_always, avx512 ? seven.ecx & leaf7_ecx : seven.ecx & bits({2}),
                           seven.edx & leaf7_edx};
    }
    table->topology[0] = {0, 1, 0x100, id};                     // SDM, "Extended Topology Enumeration": one thread ...
    table->topology[1] = {0, 1, 0x201, id};                     // ... one core, per package
    table->xsave[0] = {static_cast<u32>(features.xcr0), features.extended_size, features.extended_size, 0};
    table->xsave[1] = {cpuid(0xd, 1).eax & 7, 0, 0, 0};         // XSAVEOPT, XSAVEC, XGETBV 1; not XSAVES
    for (u32 i = 2; i < 10; i++)
        if (features.xcr0 & bit(i))
            table->xsave[i] = cpuid(0xd, i);
    // The same frequency everywhere: crystal x numerator / denominator = TSC = APIC timer. SDM, "Time Stamp Counter and
    // Nominal Core Crystal Clock". The crystal is what the APIC timer counts, in our model the TSC itself.
    u64 const hz = vcpu.cpu->machine->boot->tsc_hz;
    if (hz < 1ull << 32)
        table->basic[0x15] = {1, 1, static_cast<u32>(hz), 0};
    else
        table->basic[0x15] = {2, 4, static_cast<u32>(hz / 2), 0};
    u32 const mhz = static_cast<u32>(hz / 1'000'000);
    table->basic[0x16] = {mhz, mhz, 100, 0};

    u32 const extended_last = cpuid(0x80000000).eax;
    table->extended[0] = {0x80000008, 0, 0, 0};
    CpuidWords const e1 = cpuid(0x80000001);
    u32 const no_rdtscp = rdmsr(Msr::vmx_secondary) & bit(32 + 3) ? 0 : bits({27});
    table->extended[1] = {0, 0, e1.ecx & extended1_ecx, e1.edx & extended1_edx & ~no_rdtscp};
    for (u32 leaf = 2; leaf <= 6 && 0x80000000 + leaf <= extended_last; leaf++)
        table->extended[leaf] = cpuid(0x80000000 + leaf);        // brand string, caches
    table->extended[7] = {0, 0, 0, 1u << 8};                    // invariant TSC: it is, for a guest that never leaves this CPU
    table->extended[8] = {(cpuid(0x80000008).eax & 0xffff), 0, 0, 0};

    table->own[0] = {0x40000001, word("Kenn"), word("elKe"), word("nnel")};
    table->own[1] = {abi::abi_version, 0, 0, 0};
    table->kvm[0] = {0x40000101, word("KVMK"), word("VMKV"), word("M\0\0\0")};
    table->kvm[1] = {kvm_features, 0, 0, 0};
    if (!(rdmsr(Msr::vmx_secondary) & bit(32 + 12)))
        table->basic[7].ebx &= ~bits({10});
    return table;
}

namespace {

void give(abi::Registers& registers, CpuidWords const& words)
{
    registers.rax = words.eax;
    registers.rbx = words.ebx;
    registers.rcx = words.ecx;
    registers.rdx = words.edx;
}

// SDM, "Compacted Format": legacy area, header, then each enabled component, aligned to 64 where its ECX bit 1 says so.
// Computed, since Bochs 2.7 reports 0 and Linux compares.
u32 compacted_size(CpuidTable const& table, u64 xcr0)
{
    u32 size = 576;
    for (u32 i = 2; i < 10; i++)
        if (xcr0 & bit(i)) {
            if (table.xsave[i].ecx & 2)
                size = (size + 63) & ~63u;
            size += table.xsave[i].eax;
        }
    return size;
}

[[gnu::noinline]] CpuidWords special(Vcpu& vcpu, u32 leaf, u32 subleaf)
{
    CpuidTable const* table = vcpu.arch.cpuid;
    // A service: the processor as it is. It holds no secret, and there is nothing hv would not let it use but the FPU.
    if (table == &service_cpuid)
        return cpuid(leaf, subleaf);
    if (leaf == 1) {                                   // SDM, "CPUID": OSXSAVE mirrors CR4
        CpuidWords words = table->basic[1];
        words.ecx |= static_cast<u32>((vmread(vmcs::guest_cr4) & Cr4::osxsave) << (27 - 18));
        return words;
    }
    if (leaf == 4)
        return subleaf < 5 ? table->cache[subleaf] : CpuidWords{};
    if (leaf == 7)
        return subleaf == 0 ? table->basic[7] : CpuidWords{};
    if (leaf == 0xb)
        return subleaf < 2 ? table->topology[subleaf] : CpuidWords{0, 0, subleaf & 0xff, vcpu.apic.id()};
    if (leaf == 0xd) {
        CpuidWords words = subleaf < 10 ? table->xsave[subleaf] : CpuidWords{};
        if (subleaf == 0)
            words.ebx = cpuid(0xd).ebx;                // what XCR0 enables now: the guest's is in the processor
        if (subleaf == 1 && (words.eax & 2))
            words.ebx = compacted_size(*table, vcpu.arch.context.xcr0);
        return words;
    }
    if (leaf - 0x80000000 < CpuidTable::extended_count)
        return table->extended[leaf - 0x80000000];
    if (leaf - 0x40000000 < CpuidTable::hypervisor_count)
        return table->own[leaf - 0x40000000];
    if (leaf - 0x40000100 < CpuidTable::kvm_count)
        return table->kvm[leaf - 0x40000100];
    return {};
}

} // namespace

void answer_cpuid(Vcpu& vcpu)
{
    abi::Registers& registers = vcpu.registers();
    u32 const leaf = static_cast<u32>(registers.rax);
    CpuidTable const* table = vcpu.arch.cpuid;
    if (leaf >= CpuidTable::basic_count || ((table->special >> leaf) & 1)) [[unlikely]]
        return give(registers, special(vcpu, leaf, static_cast<u32>(registers.rcx)));
    give(registers, table->basic[leaf]);
}

bool write_xcr0(Vcpu& vcpu, u64 value)
{
    if (vcpu.is_service() || (value & ~host_features().xcr0) || !(value & Xcr0::x87))
        return false;
    // SDM, "XSETBV": AVX needs SSE, AVX-512 needs AVX and comes whole.
    if (((value & Xcr0::avx) && !(value & Xcr0::sse)) || ((value & Xcr0::avx512) && ((value & Xcr0::avx512) != Xcr0::avx512 || !(value & Xcr0::avx))))
        return false;
    vcpu.arch.context.xcr0 = value;
    xsetbv(0, value);                          // its registers are loaded: it is the one that just ran
    return true;
}

} // namespace kennel::arch
