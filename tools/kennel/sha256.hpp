// SPDX-License-Identifier: Apache-2.0
//
// SHA-256 (FIPS 180-4, "SHA-256"), for the checksums in an image: whoever mounts it can check them with sha256sum.
#pragma once
#include "hv/lib/types.hpp"
#include <array>
#include <span>
#include <string>

namespace kennel::tool {

using Digest = std::array<u8, 32>;

class Sha256 {
public:
    void   add(std::span<u8 const> bytes);
    Digest finish();                       // once

private:
    void block(u8 const* bytes);

    std::array<u32, 8> state_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    std::array<u8, 64> rest_{};
    u64                size_ = 0;          // bytes added
};

Digest      sha256(std::span<u8 const> bytes);
std::string digest_text(Digest const& digest);   // 64 hexadecimal digits

} // namespace kennel::tool
