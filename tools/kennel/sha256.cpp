// SPDX-License-Identifier: Apache-2.0
//
// See sha256.hpp.
#include "tools/kennel/sha256.hpp"
#include <algorithm>
#include <bit>
#include <format>

namespace kennel::tool {

namespace {

// The fractions of the cube roots of the first 64 primes, found rather than typed: x is the largest with x^3 <= p * 2^96,
// whose low 32 bits are the constant. FIPS 180-4, "SHA-224 and SHA-256 Constants".
consteval std::array<u32, 64> round_constants()
{
    std::array<u32, 64> constants{};
    usize count = 0;
    for (u32 number = 2; count < 64; number++) {
        bool prime = true;
        for (u32 divisor = 2; divisor * divisor <= number; divisor++)
            prime = prime && number % divisor != 0;
        if (!prime)
            continue;
        using Wide = unsigned _BitInt(128);
        u64 root = 0;
        for (int bit = 35; bit >= 0; bit--)
            if (Wide const x = root | u64{1} << bit; x * x * x <= Wide{number} << 96)
                root |= u64{1} << bit;
        constants[count++] = static_cast<u32>(root);
    }
    return constants;
}

constexpr auto constants = round_constants();
static_assert(constants[0] == 0x428a2f98 && constants[63] == 0xc67178f2);

constexpr u32 word_at(u8 const* bytes)
{
    return u32{bytes[0]} << 24 | u32{bytes[1]} << 16 | u32{bytes[2]} << 8 | bytes[3];
}

} // namespace

void Sha256::block(u8 const* bytes)
{
    std::array<u32, 64> words;
    for (usize i = 0; i < 16; i++)
        words[i] = word_at(bytes + 4 * i);
    for (usize i = 16; i < 64; i++) {
        u32 const a = words[i - 15], b = words[i - 2];
        words[i] = words[i - 16] + (std::rotr(a, 7) ^ std::rotr(a, 18) ^ a >> 3) + words[i - 7] + (std::rotr(b, 17) ^ std::rotr(b, 19) ^ b >> 10);
    }
    auto [a, b, c, d, e, f, g, h] = state_;
    for (usize i = 0; i < 64; i++) {
        u32 const first = h + (std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25)) + ((e & f) ^ (~e & g)) + constants[i] + words[i];
        u32 const second = (std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
        h = g, g = f, f = e, e = d + first, d = c, c = b, b = a, a = first + second;
    }
    std::array<u32, 8> const sum{a, b, c, d, e, f, g, h};
    for (usize i = 0; i < 8; i++)
        state_[i] += sum[i];
}

void Sha256::add(std::span<u8 const> bytes)
{
    usize held = size_ % 64;
    size_ += bytes.size();
    while (!bytes.empty()) {
        if (held == 0 && bytes.size() >= 64) {
            block(bytes.data());
            bytes = bytes.subspan(64);
            continue;
        }
        usize const count = std::min<usize>(64 - held, bytes.size());
        std::ranges::copy_n(bytes.begin(), static_cast<std::ptrdiff_t>(count), rest_.begin() + static_cast<std::ptrdiff_t>(held));
        bytes = bytes.subspan(count);
        held += count;
        if (held == 64) {
            block(rest_.data());
            held = 0;
        }
    }
}

Digest Sha256::finish()
{
    u64 const bits = size_ * 8;
    std::array<u8, 72> padding{0x80};
    usize const zeros = (119 - size_ % 64) % 64 + 1;       // the 0x80 included: then 8 bytes fill the block
    for (usize i = 0; i < 8; i++)
        padding[zeros + i] = static_cast<u8>(bits >> (56 - 8 * i));
    add(std::span{padding}.first(zeros + 8));
    Digest digest{};
    for (usize i = 0; i < 32; i++)
        digest[i] = static_cast<u8>(state_[i / 4] >> (24 - 8 * (i % 4)));
    return digest;
}

Digest sha256(std::span<u8 const> bytes)
{
    Sha256 sum;
    sum.add(bytes);
    return sum.finish();
}

std::string digest_text(Digest const& digest)
{
    std::string text;
    for (u8 const byte : digest)
        text += std::format("{:02x}", byte);
    return text;
}

} // namespace kennel::tool
