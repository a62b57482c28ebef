// SPDX-License-Identifier: Apache-2.0
//
// How a test guest says what it found: one line on its console, `PASS title` or `FAIL title: what: expected.., got..`,
// and then it powers off.
#pragma once
#include "hv/lib/types.hpp"
#include <initializer_list>

namespace kennel::guest {

class Verdict {
public:
    // The first one that does not hold is reported; the others still run.
    void equal(char const* what, u64 got, u64 expected);
    void that(char const* what, bool holds) { equal(what, holds, true); }

    // Says it, and ends the guest.
    [[noreturn]] void give();

private:
    char const* what_ = nullptr;
    u64         got_ = 0, expected_ = 0;
};

// What each guest file defines.
extern char const* const title;
void check(Verdict& verdict);

// The zero page's address, as the guest was entered with it.
extern u64 boot_parameters;

// For guests whose end is not a verdict: a line of their own, and what they do with it.
void say(char const* text);
[[noreturn]] void fail(char const* what, u64 got, u64 expected);
[[noreturn]] void power_off();

} // namespace kennel::guest
