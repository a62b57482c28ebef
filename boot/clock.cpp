// SPDX-License-Identifier: Apache-2.0
//
// See clock.hpp. Every wait is bounded twice: by a counter that must keep moving, and by a number of reads.
#include "boot/clock.hpp"
#include "boot/calendar.hpp"
#include "boot/instructions.hpp"

namespace kennel::boot {

namespace {

constexpr u32 still_after_reads = 1'000'000;     // a counter that shows one value this often stands still
constexpr u64 most_reads        = 400'000'000;

// TSC ticks per second against a counter of `hz` that wraps at `mask`; nothing when it does not count.
template <typename Read> std::optional<u64> measure_once(u64 hz, u64 mask, Read read)
{
    u64 const wanted = hz / 100;                 // 10 ms: the two ends are read to a microsecond, so 0.02 % at worst
    u64 last = read(), start = 0, elapsed = 0;
    bool started = false;
    u32 still = 0;
    for (u64 reads = 0; reads < most_reads; reads++) {
        u64 const now = read();
        if (now == last) {
            if (++still > still_after_reads)
                return {};
            continue;
        }
        still = 0;
        if (started)
            elapsed += (now - last) & mask;
        else
            start = read_tsc();                  // the measurement begins where the counter moves
        started = true;
        last = now;
        if (elapsed >= wanted) {
            u64 const ticks = read_tsc() - start;
            return ticks * hz / elapsed;
        }
    }
    return {};
}

// Firmware interrupts and SMIs only ever disturb one of three.
template <typename Read> std::optional<u64> measure(u64 hz, u64 mask, Read read)
{
    u64 results[3];
    for (u64& result : results) {
        interrupts_off();
        auto const rate = measure_once(hz, mask, read);
        interrupts_on();
        if (!rate || *rate < 1'000'000)
            return {};
        result = *rate;
    }
    u64 const low = results[0] < results[1] ? results[0] : results[1];
    u64 const high = results[0] < results[1] ? results[1] : results[0];
    return results[2] < low ? low : results[2] > high ? high : results[2];   // the middle one
}

std::optional<u64> measure_by_pm_timer(AcpiFacts const& facts)
{
    constexpr u64 hz = 3'579'545;                // ACPI, "Power Management Timer"
    if (facts.pm_timer == 0)
        return {};
    u64 const mask = facts.pm_timer_32_bits ? 0xffff'ffff : 0xff'ffff;
    return measure(hz, mask, [&] { return in32(facts.pm_timer) & mask; });
}

std::optional<u64> measure_by_hpet(AcpiFacts const& facts)
{
    constexpr u64 capabilities = 0x00, configuration = 0x10, counter = 0xf0;
    constexpr u64 longest_period = 100'000'000;  // femtoseconds; HPET specification, "General Capabilities and ID Register"
    if (facts.hpet == 0)
        return {};
    auto const reg = [&](u64 offset) { return reinterpret_cast<u32 volatile*>(facts.hpet + offset); };
    u64 const period = *reg(capabilities + 4);
    if (period == 0 || period > longest_period)
        return {};
    u32 const before = *reg(configuration);
    *reg(configuration) = before | 1;            // counts
    auto const rate = measure(1'000'000'000'000'000 / period, 0xffff'ffff, [&] { return u64{*reg(counter)}; });
    *reg(configuration) = before;
    return rate;
}

std::optional<u64> measure_by_pit()
{
    constexpr u64 hz = 1'193'182;
    constexpr u16 channel_2 = 0x42, command = 0x43, gate = 0x61;
    u8 const before = in8(gate);
    out8(gate, (before & 0xfc) | 1);             // channel 2 counts, the loudspeaker is silent
    out8(command, 0xb4);                         // channel 2, low and high byte, mode 2 (rate generator)
    out8(channel_2, 0);
    out8(channel_2, 0);                          // 0 is 65536
    auto const rate = measure(hz, 0xffff, [&] {
        out8(command, 0x80);                     // latch channel 2
        u64 const low = in8(channel_2);
        return (0x1'0000 - (low | u64{in8(channel_2)} << 8)) & 0xffff;   // it counts down
    });
    out8(gate, before);
    return rate;
}

// SDM, CPUID leaf 15h: TSC = crystal * numerator / denominator. Where it does not tell the crystal's frequency, the
// base frequency of leaf 16h is the TSC's ("Determining the Processor Base Frequency").
u64 rate_by_cpuid()
{
    u32 const leaves = cpuid(0).eax;
    if (leaves < 0x15)
        return 0;
    CpuidLeaf const leaf = cpuid(0x15);
    if (leaf.eax == 0 || leaf.ebx == 0)
        return 0;
    if (leaf.ecx != 0)
        return u64{leaf.ecx} * leaf.ebx / leaf.eax;
    return leaves >= 0x16 ? u64{cpuid(0x16).eax & 0xffff} * 1'000'000 : 0;
}

bool differ(u64 a, u64 b) { return (a > b ? a - b : b - a) > b / 50; }   // 2 %

void measure_tsc(Screen& screen, AcpiFacts const& facts, abi::BootInfo& info)
{
    u64 const claimed = rate_by_cpuid();
    char const* reference = "the PM timer";
    auto measured = measure_by_pm_timer(facts);
    if (!measured) {
        reference = "the HPET";
        measured = measure_by_hpet(facts);
    }
    if (!measured) {
        reference = "the PIT";
        measured = measure_by_pit();
    }
    if (!measured && claimed == 0) {
        screen.refuse("neither CPUID 15h nor PM timer, HPET or PIT tells how fast the TSC runs; switch on one of them in the firmware's setup");
    } else if (!measured) {
        info.tsc_hz = claimed;
        screen.say("clock: TSC at ", Hertz{claimed}, " by CPUID 15h, unchecked: PM timer, HPET and PIT stand still");
    } else if (claimed == 0) {
        info.tsc_hz = *measured;
        screen.say("clock: TSC at ", Hertz{*measured}, " by ", reference);
    } else if (differ(claimed, *measured)) {
        info.tsc_hz = *measured;   // time that other devices keep is what everybody else in the machine sees
        screen.say("clock: TSC at ", Hertz{*measured}, " by ", reference, "; CPUID 15h says ", Hertz{claimed}, " and is not believed");
    } else {
        info.tsc_hz = claimed;
        screen.say("clock: TSC at ", Hertz{claimed}, " by CPUID 15h, ", reference, " agrees");
    }
}

void read_wall_clock(Screen& screen, Firmware const& firmware, abi::BootInfo& info)
{
    EFI_TIME time{};
    EFI_STATUS const status = firmware.system().RuntimeServices->GetTime(&time, nullptr);
    info.wall_clock_tsc = read_tsc();
    constexpr s64 unspecified_zone = 2047;
    auto const seconds = status != EFI_SUCCESS ? std::optional<u64>{} : seconds_since_1970({
        .year = time.Year, .month = time.Month, .day = time.Day, .hour = time.Hour, .minute = time.Minute, .second = time.Second,
        .minutes_behind_utc = time.TimeZone == unspecified_zone ? 0 : time.TimeZone,
    });
    if (!seconds) {
        screen.say("clock: the firmware does not know the date; time starts in 1970");
        return;
    }
    info.wall_clock_ns = *seconds * 1'000'000'000 + (time.Nanosecond < 1'000'000'000 ? time.Nanosecond : 0);
    screen.say("clock: ", u32{time.Year}, "-", TwoDigits{time.Month}, "-", TwoDigits{time.Day}, " ", TwoDigits{time.Hour}, ":",
               TwoDigits{time.Minute}, ":", TwoDigits{time.Second}, time.TimeZone == unspecified_zone ? " (taken as UTC)" : " in the firmware's time zone",
               ", the TSC at ", info.wall_clock_tsc);
}

} // namespace

void set_clock(Screen& screen, Firmware const& firmware, AcpiFacts const& facts, abi::BootInfo& info)
{
    measure_tsc(screen, facts, info);
    read_wall_clock(screen, firmware, info);
}

} // namespace kennel::boot
