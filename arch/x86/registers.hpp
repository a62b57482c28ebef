// SPDX-License-Identifier: Apache-2.0
//
// Control registers and model-specific registers, by the manual's names. SDM, "Control Registers" and
// "Model-Specific Registers (MSRs)".
#pragma once
#include "hv/lib/types.hpp"

namespace kennel::arch {

constexpr u64 bit(unsigned n) { return 1ull << n; }

struct Cr0 {
    static constexpr u64 pe = bit(0), mp = bit(1), em = bit(2), ts = bit(3), et = bit(4), ne = bit(5), wp = bit(16), am = bit(18),
                         nw = bit(29), cd = bit(30), pg = bit(31);
};
struct Cr4 {
    static constexpr u64 vme = bit(0), pvi = bit(1), tsd = bit(2), de = bit(3), pse = bit(4), pae = bit(5), mce = bit(6), pge = bit(7),
                         pce = bit(8), osfxsr = bit(9), osxmmexcpt = bit(10), umip = bit(11), la57 = bit(12), vmxe = bit(13), smxe = bit(14),
                         fsgsbase = bit(16), pcide = bit(17), osxsave = bit(18), smep = bit(20), smap = bit(21), pke = bit(22);
};
struct Efer { static constexpr u64 sce = bit(0), lme = bit(8), lma = bit(10), nxe = bit(11); };
constexpr u64 pat_of_reset = 0x0007'0406'0007'0406;
struct Xcr0 { static constexpr u64 x87 = bit(0), sse = bit(1), avx = bit(2), avx512 = bit(5) | bit(6) | bit(7); };

struct Msr {
    static constexpr u32
        tsc             = 0x010, apic_base       = 0x01b, feature_control = 0x03a, tsc_adjust      = 0x03b,
        spec_ctrl       = 0x048, pred_cmd        = 0x049, bios_sign_id    = 0x08b, platform_info   = 0x0ce, mtrr_cap        = 0x0fe,
        arch_capabilities = 0x10a, flush_cmd     = 0x10b,
        sysenter_cs     = 0x174, sysenter_esp    = 0x175, sysenter_eip    = 0x176,
        mcg_cap         = 0x179, mcg_status      = 0x17a, misc_enable     = 0x1a0, debugctl        = 0x1d9,
        pat             = 0x277, mtrr_def_type   = 0x2ff,
        vmx_basic       = 0x480, vmx_misc        = 0x485, vmx_cr0_fixed0  = 0x486, vmx_cr0_fixed1  = 0x487,
        vmx_cr4_fixed0  = 0x488, vmx_cr4_fixed1  = 0x489, vmx_secondary   = 0x48b, vmx_ept_vpid    = 0x48c,
        vmx_true_pin    = 0x48d, vmx_true_primary = 0x48e, vmx_true_exit  = 0x48f, vmx_true_entry  = 0x490,
        tsc_deadline    = 0x6e0, x2apic_first    = 0x800,
        efer            = 0xc0000080, star       = 0xc0000081, lstar      = 0xc0000082, cstar      = 0xc0000083, fmask = 0xc0000084,
        fs_base         = 0xc0000100, gs_base    = 0xc0000101, kernel_gs_base = 0xc0000102, tsc_aux = 0xc0000103;
};

} // namespace kennel::arch
