// SPDX-License-Identifier: Apache-2.0
//
// The word only=NAME on a measuring guest's command line, which it finds through the zero page.
#pragma once
#include "hv/lib/types.hpp"

namespace kennel::guest {

class Only {
public:
    static Only of_command_line();

    bool given() const { return name_[0]; }
    bool is(char const* name) const;

private:
    static constexpr usize limit = 48;
    char name_[limit] = {};
};

} // namespace kennel::guest
