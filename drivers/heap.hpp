// SPDX-License-Identifier: Apache-2.0
//
// The service's own memory behind its modules, given out piece by piece while the guests are planned and never taken back.
// Nothing is allocated once guests run.
#pragma once
#include "hv/lib/types.hpp"
#include <new>
#include <span>
#include <utility>

namespace kennel::service {

class Heap {
public:
    explicit Heap(std::span<u8> memory) : rest_{memory} {}

    // Empty: there is not so much left. `align`: a power of two.
    std::span<u8> take(usize size, usize align)
    {
        usize const skip = (align - reinterpret_cast<usize>(rest_.data()) % align) % align;
        if (skip > rest_.size() || size > rest_.size() - skip)
            return {};
        auto const piece = rest_.subspan(skip, size);
        rest_ = rest_.subspan(skip + size);
        return piece;
    }

    // Null: there is not so much left.
    template<class T, class... Arguments> T* make(Arguments&&... arguments)
    {
        auto const piece = take(sizeof(T), alignof(T));
        return piece.empty() ? nullptr : new (piece.data()) T{std::forward<Arguments>(arguments)...};
    }

private:
    std::span<u8> rest_;
};

} // namespace kennel::service
