// SPDX-License-Identifier: Apache-2.0
//
// See extents.hpp.
#include "drivers/extents.hpp"
#include <algorithm>
#include <iterator>

namespace kennel::service {

Extents::Extents(abi::InfoPage const& info)
{
    u64 const block_end = info.block_base + info.block_size;
    for (usize i = 0; i < std::size(info.memory_base); i++) {
        u64 const from = info.memory_base[i], to = from + info.memory_size[i];
        add(from, std::min(to, info.block_base));
        add(std::max(from, block_end), to);
    }
}

void Extents::add(u64 from, u64 to)
{
    from = (from + large_page - 1) & ~(large_page - 1);
    to &= ~(large_page - 1);
    if (from < to && count_ < max_pieces)
        pieces_[count_++] = {from, to - from};
}

u64 Extents::free() const
{
    u64 sum = 0;
    for (usize i = 0; i < count_; i++)
        sum += pieces_[i].size;
    return sum;
}

Extents::Piece Extents::take(u64 wanted)
{
    // The smallest piece that holds all of it, else the largest there is.
    Piece* best = nullptr;
    for (usize i = 0; i < count_; i++) {
        Piece& piece = pieces_[i];
        if (!piece.size)
            continue;
        bool const fits = piece.size >= wanted, best_fits = best && best->size >= wanted;
        if (!best || (fits && (!best_fits || piece.size < best->size)) || (!fits && !best_fits && piece.size > best->size))
            best = &piece;
    }
    if (!best)
        return {0, 0};
    Piece const taken{best->base, std::min(best->size, wanted)};
    best->base += taken.size;
    best->size -= taken.size;
    return taken;
}

} // namespace kennel::service
