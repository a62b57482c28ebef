// SPDX-License-Identifier: Apache-2.0
//
// The service's RAM that is free for guests, in 2 MiB steps. Taken once, when the guests are planned, and kept by each
// guest for good: a restarted guest gets the same RAM again, zeroed, so nothing is ever given back.
#pragma once
#include "hv/abi/pages.hpp"
#include "hv/lib/types.hpp"

namespace kennel::service {

class Extents {
public:
    struct Piece { u64 base, size; };
    static constexpr usize max_pieces = 18;         // eight ranges; the service's own block cuts one of them in two

    // All of the service's memory but its own block.
    explicit Extents(abi::InfoPage const& info);
    Extents() = default;

    u64 free() const;                               // bytes
    // At most `wanted` bytes (a multiple of 2 MiB) in one piece; size 0: there is none left.
    Piece take(u64 wanted);

private:
    void add(u64 from, u64 to);

    Piece pieces_[max_pieces] = {};
    usize count_ = 0;
};

} // namespace kennel::service
