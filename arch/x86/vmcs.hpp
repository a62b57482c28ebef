// SPDX-License-Identifier: Apache-2.0
//
// The VMCS as a table: every field we use, its encoding (SDM, "Field Encoding in VMCS") and the type of its value.
// A field cannot be passed as a value, nor a value as a field.
#pragma once
#include "hv/lib/types.hpp"
#include <type_traits>

namespace kennel::arch {

template<class T> struct VmcsField { u32 encoding; };

namespace vmcs {
inline constexpr VmcsField<u16>
    vpid{0x0000},
    guest_es{0x0800}, guest_cs{0x0802}, guest_ss{0x0804}, guest_ds{0x0806}, guest_fs{0x0808}, guest_gs{0x080a},
    guest_ldtr{0x080c}, guest_tr{0x080e},
    host_es{0x0c00}, host_cs{0x0c02}, host_ss{0x0c04}, host_ds{0x0c06}, host_fs{0x0c08}, host_gs{0x0c0a}, host_tr{0x0c0c};

// 32 bits in the VMCS, but what it is used for is adding to a 64-bit address.
inline constexpr VmcsField<u64> exit_instruction_length{0x440c};

inline constexpr VmcsField<u64>
    io_bitmap_a{0x2000}, io_bitmap_b{0x2002}, msr_bitmap{0x2004}, tsc_offset{0x2010}, ept_pointer{0x201a},
    guest_physical_address{0x2400},
    link_pointer{0x2800}, guest_debugctl{0x2802}, guest_pat{0x2804}, guest_efer{0x2806},
    host_pat{0x2c00}, host_efer{0x2c02};

inline constexpr VmcsField<u32>
    pin_controls{0x4000}, primary_controls{0x4002}, exception_bitmap{0x4004}, page_fault_mask{0x4006}, page_fault_match{0x4008},
    cr3_target_count{0x400a}, exit_controls{0x400c}, exit_msr_store_count{0x400e}, exit_msr_load_count{0x4010},
    entry_controls{0x4012}, entry_msr_load_count{0x4014}, entry_interruption{0x4016}, entry_error_code{0x4018},
    entry_instruction_length{0x401a}, secondary_controls{0x401e},
    instruction_error{0x4400}, exit_reason{0x4402}, exit_interruption{0x4404}, exit_error_code{0x4406},
    idt_vectoring{0x4408}, idt_vectoring_error{0x440a}, exit_instruction_information{0x440e},
    guest_es_limit{0x4800}, guest_cs_limit{0x4802}, guest_ss_limit{0x4804}, guest_ds_limit{0x4806}, guest_fs_limit{0x4808},
    guest_gs_limit{0x480a}, guest_ldtr_limit{0x480c}, guest_tr_limit{0x480e}, guest_gdtr_limit{0x4810}, guest_idtr_limit{0x4812},
    guest_es_access{0x4814}, guest_cs_access{0x4816}, guest_ss_access{0x4818}, guest_ds_access{0x481a}, guest_fs_access{0x481c},
    guest_gs_access{0x481e}, guest_ldtr_access{0x4820}, guest_tr_access{0x4822},
    guest_interruptibility{0x4824}, guest_activity{0x4826}, guest_sysenter_cs{0x482a}, preemption_timer{0x482e}, host_sysenter_cs{0x4c00};

// Natural width.
inline constexpr VmcsField<u64>
    cr0_mask{0x6000}, cr4_mask{0x6002}, cr0_shadow{0x6004}, cr4_shadow{0x6006},
    exit_qualification{0x6400},
    guest_cr0{0x6800}, guest_cr3{0x6802}, guest_cr4{0x6804},
    guest_es_base{0x6806}, guest_cs_base{0x6808}, guest_ss_base{0x680a}, guest_ds_base{0x680c}, guest_fs_base{0x680e},
    guest_gs_base{0x6810}, guest_ldtr_base{0x6812}, guest_tr_base{0x6814}, guest_gdtr_base{0x6816}, guest_idtr_base{0x6818},
    guest_dr7{0x681a}, guest_rsp{0x681c}, guest_rip{0x681e}, guest_rflags{0x6820}, guest_pending_debug{0x6822},
    guest_sysenter_esp{0x6824}, guest_sysenter_eip{0x6826},
    host_cr0{0x6c00}, host_cr3{0x6c02}, host_cr4{0x6c04}, host_fs_base{0x6c06}, host_gs_base{0x6c08}, host_tr_base{0x6c0a},
    host_gdtr_base{0x6c0c}, host_idtr_base{0x6c0e}, host_sysenter_esp{0x6c10}, host_sysenter_eip{0x6c12}, host_rsp{0x6c14}, host_rip{0x6c16};
} // namespace vmcs

// Of the VMCS loaded on this CPU.
template<class T> T vmread(VmcsField<T> field)
{
    u64 value;
    asm volatile("vmread %1, %0" : "=r"(value) : "r"(static_cast<u64>(field.encoding)) : "cc");
    return static_cast<T>(value);
}
template<class T> void vmwrite(VmcsField<T> field, std::type_identity_t<T> value)
{
    asm volatile("vmwrite %1, %0" : : "r"(static_cast<u64>(field.encoding)), "r"(static_cast<u64>(value)) : "cc");
}

} // namespace kennel::arch
