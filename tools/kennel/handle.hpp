// SPDX-License-Identifier: Apache-2.0
//
// An open file of this process, closed when its owner goes.
#pragma once
#include <unistd.h>
#include <utility>

namespace kennel::tool {

struct Handle {
    explicit Handle(int number) : number{number} {}
    Handle(Handle&& other) noexcept : number{std::exchange(other.number, -1)} {}
    Handle& operator=(Handle&&) = delete;
    ~Handle()
    {
        if (number >= 0)
            close(number);
    }

    int number;                // negative: none
};

} // namespace kennel::tool
