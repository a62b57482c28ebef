// SPDX-License-Identifier: Apache-2.0
#include "hv/lib/field.hpp"
#include <doctest/doctest.h>
#include <initializer_list>

using namespace kennel;

namespace {

enum class Kind : u8 { external = 0, nmi = 2, hardware = 3, software = 6 };

// The interruption word of the SDM as an example with neighbours on both sides.
using Vector = Field<7, 0, u8>;
using Type   = Field<10, 8, Kind>;
using Error  = Field<11, 11, bool>;
using Valid  = Field<31, 31, bool>;
using Top    = Field<63, 60, u8>;
using All    = Field<63, 0, u64>;

static_assert(Vector::mask == 0xff && Type::mask == 0x700 && Valid::mask == 0x8000'0000 && Top::mask == 0xf000'0000'0000'0000 && All::mask == ~0ull);
static_assert((Vector::of(0x20) | Type::of(Kind::hardware) | Error::of(true) | Valid::of(true)) == 0x8000'0b20);

template<class F>
void round_trip(u64 step)
{
    for (u64 background : {0ull, ~0ull, 0x5555'5555'5555'5555ull})
        for (u64 value = 0; value <= F::mask >> F::lowest && value < 4096; value += step) {
            auto const typed = static_cast<typename F::Value>(value);
            CHECK(F::get((background & ~F::mask) | F::of(typed)) == typed);
            CHECK((F::of(typed) & ~F::mask) == 0);
        }
}

} // namespace

TEST_CASE("field: every value comes back, and no neighbour changes")
{
    round_trip<Vector>(1);
    round_trip<Error>(1);
    round_trip<Top>(1);
    round_trip<Field<40, 31, u16>>(7);
    round_trip<All>(5);
}

TEST_CASE("field: a value too large is cut")
{
    CHECK(Field<3, 2, u8>::of(0xff) == 0xc);
    CHECK(Type::get(Type::of(Kind::software)) == Kind::software);
}
