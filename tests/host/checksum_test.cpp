// SPDX-License-Identifier: Apache-2.0
#include "hv/lib/checksum.hpp"
#include <doctest/doctest.h>
#include <string_view>

using namespace kennel;

namespace {
std::span<u8 const> bytes(std::string_view text) { return {reinterpret_cast<u8 const*>(text.data()), text.size()}; }
}

TEST_CASE("checksum: CRC-32 of the well-known strings")
{
    CHECK(crc32(bytes("")) == 0);
    CHECK(crc32(bytes("123456789")) == 0xcbf4'3926);
    CHECK(crc32(bytes("The quick brown fox jumps over the lazy dog")) == 0x414f'a339);
}

TEST_CASE("checksum: CRC-32 goes on where another one ended")
{
    CHECK(crc32(bytes("56789"), crc32(bytes("1234"))) == crc32(bytes("123456789")));
}

TEST_CASE("checksum: the byte sum wraps at 256")
{
    u8 const table[] = {0xff, 0x02, 0x80, 0x7f};
    CHECK(byte_sum(table) == 0);
    CHECK(byte_sum({}) == 0);
}
