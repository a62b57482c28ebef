// SPDX-License-Identifier: Apache-2.0
//
// See size.hpp.
#include "tools/kennel/size.hpp"
#include "tools/kennel/spelling.hpp"
#include <charconv>

namespace kennel::tool {

namespace {

constexpr u64 largest = u64{1} << 46;   // bytes; more than any processor of today addresses

constexpr int shift_of(char unit)
{
    switch (unit) {
    case 'k': case 'K': return 10;
    case 'm': case 'M': return 20;
    case 'g': case 'G': return 30;
    default:            return -1;
    }
}

} // namespace

Or<u64> parse_size(std::string_view text)
{
    u64 number = 0;
    auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    std::string_view const unit{end, text.data() + text.size()};
    int const shift = unit.empty() ? 0 : unit.size() == 1 ? shift_of(unit[0]) : -1;
    if (error == std::errc::invalid_argument || shift < 0)
        return bad_usage("'{}' is no size: a number with k, m or g is wanted, for example 128m", shortened(text));
    if (number == 0 && error == std::errc{})
        return bad_usage("'{}' is no size: it must be more than 0", shortened(text));
    if (error != std::errc{} || number > (largest >> shift))
        return bad_usage("'{}' is too large: at most {} is possible", shortened(text), size_text(largest));
    return number << shift;
}

std::string size_text(u64 bytes)
{
    for (auto const& [shift, unit] : {std::pair{30, 'g'}, std::pair{20, 'm'}, std::pair{10, 'k'}})
        if (bytes != 0 && bytes % (u64{1} << shift) == 0)
            return std::format("{}{}", bytes >> shift, unit);
    return std::format("{}", bytes);
}

} // namespace kennel::tool
