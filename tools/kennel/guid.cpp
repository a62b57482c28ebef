// SPDX-License-Identifier: Apache-2.0
//
// See guid.hpp.
#include "tools/kennel/guid.hpp"
#include "tools/kennel/sha256.hpp"
#include <algorithm>
#include <format>

namespace kennel::tool {

namespace {

constexpr usize order[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};   // of the bytes, as written

} // namespace

std::string guid_text(Guid const& guid)
{
    std::string text;
    for (usize i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            text += '-';
        text += std::format("{:02x}", guid[order[i]]);
    }
    return text;
}

Guid derived_guid(std::string_view words)
{
    auto const digest = sha256({reinterpret_cast<u8 const*>(words.data()), words.size()});
    Guid guid{};
    std::ranges::copy_n(digest.begin(), 16, guid.begin());
    guid[7] = static_cast<u8>((guid[7] & 0x0f) | 0x80);   // version 8
    guid[8] = static_cast<u8>((guid[8] & 0x3f) | 0x80);   // variant
    return guid;
}

} // namespace kennel::tool
