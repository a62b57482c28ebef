// SPDX-License-Identifier: Apache-2.0
//
// A fuzzer's bytes, taken from the front as numbers; when they are used up, everything is 0.
#pragma once
#include "hv/lib/types.hpp"
#include <cstring>
#include <span>

namespace kennel::fuzz {

class Input {
public:
    Input(u8 const* data, usize size) : rest_{data, size} {}

    template<class T> T take()
    {
        T value{};
        usize const size = rest_.size() < sizeof value ? rest_.size() : sizeof value;
        if (size)
            std::memcpy(&value, rest_.data(), size);
        rest_ = rest_.subspan(size);
        return value;
    }
    std::span<u8 const> bytes(usize wanted)
    {
        auto const taken = rest_.first(rest_.size() < wanted ? rest_.size() : wanted);
        rest_ = rest_.subspan(taken.size());
        return taken;
    }
    std::span<u8 const> rest() const { return rest_; }
    bool empty() const { return rest_.empty(); }

private:
    std::span<u8 const> rest_;
};

// A property that does not hold: end here, with a stack that says which one.
inline void demand(bool holds)
{
    if (!holds)
        __builtin_trap();
}

} // namespace kennel::fuzz

extern "C" int LLVMFuzzerTestOneInput(unsigned char const* data, size_t size);
