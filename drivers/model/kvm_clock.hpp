// SPDX-License-Identifier: Apache-2.0
//
// Time as the KVM paravirtual interface tells it: two MSRs through which a guest names a page of its RAM, which is
// written before the guest goes on. The TSC is never offset and never stops, so once is enough (the "stable" flag).
// Linux, Documentation/virt/kvm/x86/msr.rst.
#pragma once
#include "drivers/guest_memory.hpp"
#include "hv/abi/pages.hpp"

namespace kennel::service {

// TSC ticks to nanoseconds: ((ticks << shift) * multiplier) >> 32, a negative shift to the right.
struct TickScale {
    u32 multiplier = 0;
    int shift      = 0;

    static TickScale for_frequency(u64 hz);
    u64 nanoseconds(u64 ticks) const;
};

class KvmClock {
public:
    static constexpr u32 wall_clock_msr  = 0x4b56'4d00;
    static constexpr u32 system_time_msr = 0x4b56'4d01;

    // `start`: TSC value at which the guest's time is zero.
    void reset(abi::InfoPage const& info, u64 start);

    // False: no such MSR, or an address outside the guest's RAM. The guest gets #GP, as from KVM.
    bool write(GuestMemory const& memory, u32 msr, u64 value, u64 now);
    std::optional<u64> read(u32 msr) const;

private:
    bool write_wall_clock(GuestMemory const& memory, u64 address) const;
    bool write_system_time(GuestMemory const& memory, u64 address, u64 now) const;

    TickScale scale_;
    u64 start_ = 0;                                   // TSC ticks
    u64 wall_at_start_ = 0;                           // ns since 1970
    u64 wall_clock_ = 0, system_time_ = 0;            // the MSRs
};

} // namespace kennel::service
