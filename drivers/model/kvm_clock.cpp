// SPDX-License-Identifier: Apache-2.0
//
// See kvm_clock.hpp.
#include "drivers/model/kvm_clock.hpp"

namespace kennel::service {

namespace {

constexpr u64 second = 1'000'000'000;                 // ns

struct WallClock { u32 version, seconds, nanoseconds; };
struct SystemTime {
    u32 version, padding;
    u64 tsc_timestamp, system_time;
    u32 multiplier;
    signed char shift;
    u8  flags, padding2[2];
};
static_assert(sizeof(WallClock) == 12 && sizeof(SystemTime) == 32);
constexpr u8 flag_stable = 1;

} // namespace

TickScale TickScale::for_frequency(u64 hz)
{
    // Bring the frequency between one and two times 10^9, so that the multiplier uses all of its 32 bits.
    TickScale scale;
    u64 scaled = hz ? hz : second;
    for (; scaled >= 2 * second; scaled >>= 1)
        scale.shift--;
    for (; scaled < second; scaled <<= 1)
        scale.shift++;
    // multiplier = 10^9 * 2^32 / scaled, at most 2^32: exactly 10^9 needs one less to fit.
    u64 const multiplier = (second << 32) / scaled;
    scale.multiplier = multiplier > ~0u ? ~0u : static_cast<u32>(multiplier);
    return scale;
}

u64 TickScale::nanoseconds(u64 ticks) const
{
    u64 const scaled = shift < 0 ? ticks >> -shift : ticks << shift;
    return static_cast<u64>((static_cast<unsigned __int128>(scaled) * multiplier) >> 32);
}

void KvmClock::reset(abi::InfoPage const& info, u64 start)
{
    scale_ = TickScale::for_frequency(info.tsc_hz);
    start_ = start;
    wall_at_start_ = info.wall_clock_ns + scale_.nanoseconds(start - info.wall_clock_tsc);
    wall_clock_ = system_time_ = 0;
}

bool KvmClock::write(GuestMemory const& memory, u32 msr, u64 value, u64 now)
{
    if (msr == wall_clock_msr) {
        if (!write_wall_clock(memory, value))
            return false;
        wall_clock_ = value;
        return true;
    }
    if (msr == system_time_msr) {
        // Bit 0 switches it on; off, nothing is written any more, and we never write later anyway.
        if ((value & 1) && !write_system_time(memory, value & ~1ull, now))
            return false;
        system_time_ = value;
        return true;
    }
    return false;
}

std::optional<u64> KvmClock::read(u32 msr) const
{
    if (msr == wall_clock_msr)
        return wall_clock_;
    if (msr == system_time_msr)
        return system_time_;
    return std::nullopt;
}

bool KvmClock::write_wall_clock(GuestMemory const& memory, u64 address) const
{
    WallClock const clock{2, static_cast<u32>(wall_at_start_ / second), static_cast<u32>(wall_at_start_ % second)};
    return memory.copy_out(address, clock);
}

bool KvmClock::write_system_time(GuestMemory const& memory, u64 address, u64 now) const
{
    SystemTime time{};
    time.tsc_timestamp = now;
    time.system_time = scale_.nanoseconds(now - start_);
    time.multiplier = scale_.multiplier;
    time.shift = static_cast<signed char>(scale_.shift);
    time.flags = flag_stable;
    // An odd version says "being written", an even one "complete"; the guest may read on another of its vCPUs.
    if (!memory.contains(address, sizeof time) || !memory.store_release(address, u32{1}))
        return false;
    time.version = 1;
    static_cast<void>(memory.copy_out(address, time));
    return memory.store_release(address, u32{2});
}

} // namespace kennel::service
