// SPDX-License-Identifier: Apache-2.0
#include "hv/trap.hpp"
#include <array>
#include <doctest/doctest.h>
#include <random>
#include <vector>

using namespace kennel;
using abi::Status;

namespace {

constexpr Trap ask{TrapKind::intercept, 0, 0};
constexpr Trap bell(u16 event) { return {TrapKind::doorbell, 1, event}; }

} // namespace

TEST_CASE("trap: an empty table claims nothing")
{
    TrapTable const table;
    for (u32 port = 0; port <= 0xffff; port++)
        CHECK(table.find_port(static_cast<u16>(port)) == nullptr);
    CHECK(table.find_memory(0) == nullptr);
    CHECK(table.find_memory(~0ull) == nullptr);
    CHECK(table.find_msr(0) == nullptr);
    CHECK(table.find_msr(~0u) == nullptr);
}

TEST_CASE("trap: a range claims its first and its last, and neither neighbour")
{
    TrapTable table;
    REQUIRE(table.bind(abi::RangeKind::port, 0x3f8, 8, ask) == Status::ok);
    REQUIRE(table.bind(abi::RangeKind::memory, 0xe000'0000, 0x1000'0000, ask) == Status::ok);
    REQUIRE(table.bind(abi::RangeKind::msr, 0x4b56'4d00, 2, ask) == Status::ok);
    CHECK(table.find_port(0x3f7) == nullptr);
    CHECK(table.find_port(0x3f8) != nullptr);
    CHECK(table.find_port(0x3ff) != nullptr);
    CHECK(table.find_port(0x400) == nullptr);
    CHECK(table.find_memory(0xdfff'ffff) == nullptr);
    CHECK(table.find_memory(0xe000'0000) != nullptr);
    CHECK(table.find_memory(0xefff'ffff) != nullptr);
    CHECK(table.find_memory(0xf000'0000) == nullptr);
    CHECK(table.find_msr(0x4b56'4cff) == nullptr);
    CHECK(table.find_msr(0x4b56'4d01) != nullptr);
    CHECK(table.find_msr(0x4b56'4d02) == nullptr);
}

TEST_CASE("trap: the ends of the number spaces")
{
    TrapTable table;
    CHECK(table.bind(abi::RangeKind::port, 0, 0x10000, ask) == Status::ok);
    CHECK(table.find_port(0xffff) != nullptr);
    CHECK(table.unbind(abi::RangeKind::port, 0) == Status::ok);
    CHECK(table.find_port(0xffff) == nullptr);
    CHECK(table.bind(abi::RangeKind::port, 0xffff, 1, bell(3)) == Status::ok);
    CHECK(table.find_port(0xffff)->event == 3);
    CHECK(table.find_port(0xfffe) == nullptr);
    CHECK(table.bind(abi::RangeKind::memory, ~0ull, 1, ask) == Status::ok);
    CHECK(table.find_memory(~0ull) != nullptr);
    CHECK(table.bind(abi::RangeKind::memory, 0, ~0ull, ask) == Status::ok);
    CHECK(table.bind(abi::RangeKind::msr, 0xffff'ffff, 1, ask) == Status::ok);
    CHECK(table.bind(abi::RangeKind::msr, 0, 0xffff'ffff, ask) == Status::ok);
}

TEST_CASE("trap: ranges that are empty or leave the number space are refused")
{
    TrapTable table;
    CHECK(table.bind(abi::RangeKind::port, 5, 0, ask) == Status::bad_argument);
    CHECK(table.bind(abi::RangeKind::port, 0xfff0, 17, ask) == Status::bad_argument);
    CHECK(table.bind(abi::RangeKind::port, 1, 0xffff'ffff, ask) == Status::bad_argument);
    CHECK(table.bind(abi::RangeKind::memory, 5, 0, ask) == Status::bad_argument);
    CHECK(table.bind(abi::RangeKind::memory, 2, ~0ull, ask) == Status::bad_argument);
    CHECK(table.bind(abi::RangeKind::msr, 0xffff'fff0, 17, ask) == Status::bad_argument);
    CHECK(table.bind(abi::RangeKind::msr, 1, ~0ull, ask) == Status::bad_argument);
    CHECK(table.unbind(abi::RangeKind::port, 5) == Status::bad_argument);
    CHECK(table.unbind(abi::RangeKind::memory, 5) == Status::bad_argument);
    CHECK(table.unbind(abi::RangeKind::msr, 5) == Status::bad_argument);
}

TEST_CASE("trap: overlap is refused from every side, touching is not")
{
    TrapTable table;
    REQUIRE(table.bind(abi::RangeKind::port, 100, 10, ask) == Status::ok);
    CHECK(table.bind(abi::RangeKind::port, 95, 6, ask) == Status::overlap);
    CHECK(table.bind(abi::RangeKind::port, 109, 1, ask) == Status::overlap);
    CHECK(table.bind(abi::RangeKind::port, 103, 2, ask) == Status::overlap);
    CHECK(table.bind(abi::RangeKind::port, 90, 40, ask) == Status::overlap);
    CHECK(table.bind(abi::RangeKind::port, 100, 10, ask) == Status::overlap);
    CHECK(table.bind(abi::RangeKind::port, 95, 5, bell(1)) == Status::ok);
    CHECK(table.bind(abi::RangeKind::port, 110, 5, bell(2)) == Status::ok);
    CHECK(table.find_port(99)->event == 1);
    CHECK(table.find_port(105)->kind == TrapKind::intercept);
    CHECK(table.find_port(110)->event == 2);
}

TEST_CASE("trap: a full table refuses one more, and takes it after an unbind")
{
    TrapTable table;
    for (u32 i = 0; i < TrapTable::capacity; i++) {
        REQUIRE(table.bind(abi::RangeKind::port, static_cast<u16>(i * 1000), 2, bell(static_cast<u16>(i))) == Status::ok);
        REQUIRE(table.bind(abi::RangeKind::memory, i * 0x1000ull, 0x800, ask) == Status::ok);
        REQUIRE(table.bind(abi::RangeKind::msr, i * 16, 4, ask) == Status::ok);
    }
    CHECK(table.bind(abi::RangeKind::port, 500, 1, ask) == Status::full);
    CHECK(table.bind(abi::RangeKind::memory, 0x900, 1, ask) == Status::full);
    CHECK(table.bind(abi::RangeKind::msr, 8, 1, ask) == Status::full);
    CHECK(table.find_port(55'001)->event == 55);
    CHECK(table.unbind(abi::RangeKind::port, 7000) == Status::ok);
    CHECK(table.find_port(7000) == nullptr);
    CHECK(table.bind(abi::RangeKind::port, 500, 1, bell(99)) == Status::ok);
    CHECK(table.find_port(500)->event == 99);
}

TEST_CASE("trap: a copy that is changed leaves its original alone")
{
    TrapTable before;
    REQUIRE(before.bind(abi::RangeKind::port, 0xc000, 4, bell(1)) == Status::ok);
    TrapTable after = before;
    REQUIRE(after.unbind(abi::RangeKind::port, 0xc000) == Status::ok);
    CHECK(before.find_port(0xc002)->event == 1);
    CHECK(after.find_port(0xc002) == nullptr);
}

TEST_CASE("trap: ports agree with a plain array under random binding and unbinding")
{
    std::mt19937 random{1};
    TrapTable table;
    std::vector<int> model(0x10000, -1);
    std::vector<u32> sizes(0x10000, 0);
    std::vector<u16> bound;
    for (int round = 0; round < 600; round++) {
        if (bound.size() > 40 && random() % 2) {
            usize const at = random() % bound.size();
            u16 const first = bound[at];
            REQUIRE(table.unbind(abi::RangeKind::port, first) == Status::ok);
            for (u32 i = 0; i < sizes[first]; i++)
                model[first + i] = -1;
            bound.erase(bound.begin() + static_cast<std::ptrdiff_t>(at));
        } else {
            u16 const first = static_cast<u16>(random());
            u32 const count = 1 + static_cast<u32>(random() % (random() % 8 ? 8 : 3000));
            bool fits = first + count <= 0x10000, is_free = fits;
            for (u32 i = 0; is_free && i < count; i++)
                is_free = model[first + i] < 0;
            Status const status = table.bind(abi::RangeKind::port, first, count, bell(static_cast<u16>(round)));
            if (!fits)
                CHECK(status == Status::bad_argument);
            else if (!is_free)
                CHECK(status == Status::overlap);
            else if (bound.size() == TrapTable::capacity)
                CHECK(status == Status::full);
            else {
                REQUIRE(status == Status::ok);
                for (u32 i = 0; i < count; i++)
                    model[first + i] = round;
                sizes[first] = count;
                bound.push_back(first);
            }
        }
        bool same = true;
        for (u32 port = 0; port <= 0xffff; port++) {
            Trap const* const trap = table.find_port(static_cast<u16>(port));
            same &= trap ? model[port] == trap->event : model[port] < 0;
        }
        REQUIRE(same);
    }
}
