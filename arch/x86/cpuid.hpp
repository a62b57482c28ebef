// SPDX-License-Identifier: Apache-2.0
//
// What a guest's CPUID says: a table made when the vCPU is, so that answering copies four words.
#pragma once
#include "arch/x86/host.hpp"
#include "arch/x86/instructions.hpp"

namespace kennel::arch {

struct CpuidTable {
    static constexpr u32 basic_count = 0x1c, extended_count = 9, hypervisor_count = 2, kvm_count = 2;
    u32        special;                             // bit n: leaf n is more than its row in `basic`
    CpuidWords basic[basic_count];                  // 0 .., subleaf 0 where a leaf has several
    CpuidWords cache[5];                            // leaf 4
    CpuidWords topology[2];                         // leaf 0xB
    CpuidWords xsave[10];                           // leaf 0xD, subleaves 0-9
    CpuidWords extended[extended_count];            // 0x80000000 ..
    CpuidWords own[hypervisor_count];               // 0x40000000 ..
    CpuidWords kvm[kvm_count];                      // 0x40000100 ..
};
static_assert(sizeof(CpuidTable) <= page_size);

CpuidTable const* make_cpuid_table(Vcpu& vcpu);   // in its partition's pool; null: that is used up
void find_extended_features(HostFeatures& features);

} // namespace kennel::arch
