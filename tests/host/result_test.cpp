// SPDX-License-Identifier: Apache-2.0
#include "hv/lib/result.hpp"
#include <doctest/doctest.h>
#include <memory>

using namespace kennel;

namespace {

enum class Fault { first, second };

Result<int, Fault> number(bool good) { return good ? Result<int, Fault>{7} : Err(Fault::first); }

Result<void, Fault> doubled(bool good, int& out)
{
    out = 2 * TRY(number(good));
    return {};
}

Result<bool, Fault> through_two(bool good)
{
    int value = 0;
    TRY(doubled(good, value));
    return value == 14;
}

Result<std::unique_ptr<int>, Fault> moved()
{
    auto pointer = TRY(Result<std::unique_ptr<int>, Fault>{std::make_unique<int>(3)});
    return pointer;
}

} // namespace

TEST_CASE("result: TRY hands the value on, or the fault to the caller")
{
    CHECK(through_two(true).value());
    CHECK(through_two(false).error() == Fault::first);
    CHECK(*moved().value() == 3);
}

TEST_CASE("result: a copy of a Result is the same Result, not a value made of it")
{
    Result<bool, Fault> const fault = Err(Fault::second);
    Result<bool, Fault> copy = fault;
    CHECK_FALSE(copy.has_value());
    copy = true;
    Result<bool, Fault> other = copy;
    CHECK(other.value());
}
