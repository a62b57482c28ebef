// SPDX-License-Identifier: Apache-2.0
#include "hv/handle.hpp"
#include <doctest/doctest.h>
#include <initializer_list>

using namespace kennel;
using abi::Right, abi::Status;

namespace {

// Handles never look into what they name: any address will do.
int objects[200];
Partition* partition(int n) { return reinterpret_cast<Partition*>(&objects[n]); }
Vcpu*      vcpu(int n) { return reinterpret_cast<Vcpu*>(&objects[n]); }

} // namespace

namespace {
// Is the object behind any handle?
template<class T> bool holds(HandleTable const& table, T const* object)
{
    for (u64 number = 0; number < HandleTable::capacity; number++)
        if (T* found = nullptr; table.find(number, abi::Right::all, found) == Status::ok && found == object)
            return true;
    return false;
}
} // namespace

TEST_CASE("handle: found by number, kind and right, and only then")
{
    HandleTable table;
    u64 const number = table.add(partition(1), static_cast<Right>(static_cast<u32>(Right::map) | static_cast<u32>(Right::bind)));
    REQUIRE(number != 0);
    Partition* found = nullptr;
    CHECK(table.find(number, Right::map, found) == Status::ok);
    CHECK(found == partition(1));
    CHECK(table.find(number, Right::destroy, found) == Status::no_right);
    Vcpu* wrong = nullptr;
    CHECK(table.find(number, Right::map, wrong) == Status::bad_handle);
    CHECK(wrong == nullptr);
}

TEST_CASE("handle: no number out of range, free or zero reaches an object")
{
    HandleTable table;
    table.add(partition(1), Right::all);
    Partition* found = nullptr;
    for (u64 number : std::initializer_list<u64>{0, 2, HandleTable::capacity, HandleTable::capacity - 1, 1ull << 32, 1ull << 63, (1ull << 32) + 1, ~0ull})
        CHECK(table.find(number, Right::run, found) == Status::bad_handle);
    CHECK(found == nullptr);
}

TEST_CASE("handle: a full table gives 0, and forgetting an object ends every handle to it")
{
    HandleTable table;
    u32 given = 0;
    while (table.add(vcpu(static_cast<int>(given % 3)), Right::run))
        given++;
    CHECK(given == HandleTable::capacity - 1);
    CHECK(holds(table, vcpu(0)));
    CHECK_FALSE(holds(table, partition(0)));
    table.forget(vcpu(0));
    CHECK_FALSE(holds(table, vcpu(0)));
    CHECK(holds(table, vcpu(1)));
    Vcpu* found = nullptr;
    CHECK(table.find(1, Right::run, found) == Status::bad_handle);
    CHECK(table.add(vcpu(9), Right::run) == 0);          // another CPU may be in the middle of looking it up
    table.erase(vcpu(0));
    CHECK(table.add(vcpu(9), Right::run) == 1);
}
