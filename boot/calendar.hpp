// SPDX-License-Identifier: Apache-2.0
//
// From a calendar date, as firmware tells it, to seconds since 1970. Pure.
#pragma once
#include "hv/lib/types.hpp"
#include <optional>

namespace kennel::boot {

struct Calendar { u32 year, month, day, hour, minute, second; s64 minutes_behind_utc; };

// Nothing when it is no date, or one before 1970.
constexpr std::optional<u64> seconds_since_1970(Calendar const& when)
{
    if (when.year < 1970 || when.year > 9999 || when.month < 1 || when.month > 12 || when.day < 1 || when.day > 31 ||
        when.hour > 23 || when.minute > 59 || when.second > 59 || when.minutes_behind_utc < -1440 || when.minutes_behind_utc > 1440)
        return {};
    // Years are counted from March, so that the leap day is the last day of its year.
    u64 const year  = when.month > 2 ? when.year : when.year - 1;
    u64 const month = when.month > 2 ? when.month - 3 : when.month + 9;
    u64 const days_before_month = (153 * month + 2) / 5;
    u64 const days = 365 * year + year / 4 - year / 100 + year / 400 + days_before_month + when.day - 1;
    constexpr u64 days_until_1970 = 719'468;   // from 1 March of the year 0
    s64 const seconds = static_cast<s64>((days - days_until_1970) * 86'400 + when.hour * 3600 + when.minute * 60 + when.second) +
                        when.minutes_behind_utc * 60;
    if (seconds < 0)
        return {};
    return static_cast<u64>(seconds);
}

static_assert(seconds_since_1970({1970, 1, 1, 0, 0, 0, 0}) == 0u);
static_assert(seconds_since_1970({2000, 2, 29, 12, 0, 0, 0}) == 951'825'600u);
static_assert(seconds_since_1970({2024, 12, 31, 23, 59, 59, 60}) == 1'735'693'199u);

} // namespace kennel::boot
