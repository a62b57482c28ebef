// SPDX-License-Identifier: Apache-2.0
//
// What a machine reports of its guests, as tables and as JSON: rates, restarts in between, and lines that are none.
#include "tools/kennel/report.hpp"
#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

using namespace kennel::tool;

namespace {

using Lines = std::vector<std::string>;

std::string behind_header(std::string const& table) { return table.substr(table.find('\n') + 1); }

} // namespace

TEST_CASE("report: a list counts since each guest's start, or between two moments")
{
    Lines const before{"guest name=dog state=running cpu=0 memory=33554432 starts=1 elapsed_ms=1000 run_ms=100 exits=100 disk_requests=0"};
    Lines const now{"guest name=dog state=running cpu=0 memory=33554432 starts=1 elapsed_ms=3000 run_ms=1100 exits=500 disk_requests=40"};
    CHECK(list_table({}, {}) == "GUEST             STATE     CPU   SHARE    MEMORY    EXITS/S    DISK/S  STARTS\n");
    CHECK(behind_header(list_table(now, {}))     == "dog               running     0    36 %      32 M        166        13       1\n");
    CHECK(behind_header(list_table(now, before)) == "dog               running     0    50 %      32 M        200        20       1\n");
    CHECK(behind_header(list_table(now, now))    == "dog               running     0     0 %      32 M          0         0       1\n");
    CHECK(behind_header(list_table(before, now)) == "dog               running     0     0 %      32 M          0         0       1\n");
}

TEST_CASE("report: a guest that was started in between is counted from there, one that does not run has no rates")
{
    Lines const before{"guest name=dog state=running cpu=0 memory=1048576 starts=1 elapsed_ms=9000 run_ms=9000 exits=900",
                       "guest name=cat state=running cpu=1 memory=1048576 starts=1 elapsed_ms=1000 run_ms=500 exits=100"};
    Lines const now{"guest name=dog state=running cpu=0 memory=1048576 starts=2 elapsed_ms=1000 run_ms=500 exits=10",
                    "guest name=cat state=stopped cpu=1 memory=1048576 starts=1 elapsed_ms=2000 run_ms=600 exits=200"};
    CHECK(behind_header(list_table(now, before)) == "dog               running     0    50 %       1 M         10         0       2\n"
                                                    "cat               stopped     1     0 %       1 M          0         0       1\n");
}

TEST_CASE("report: counters of a guest and its devices")
{
    Lines const now{"guest name=dog state=running cpu=0 memory=33554432 starts=1 elapsed_ms=2000 run_ms=500 exits=400",
                    "exits name=dog cpuid=6 halt=394",
                    "disk name=dog disk=0 requests=20",
                    "guest name=cat state=held cpu=1 memory=1048576 starts=0 elapsed_ms=0 run_ms=0 exits=0"};
    CHECK(counters_table(now, {}) ==
          "guest dog: running, on CPU 0, 32 M, started 1 time\n"
          "                                PER SECOND   SINCE ITS START\n"
          "  run_ms                               250               500\n"
          "  exits                                200               400\n"
          "    exits: cpuid                         3                 6\n"
          "    exits: halt                        197               394\n"
          "  disk 0 requests                       10                20\n"
          "guest cat: held, on CPU 1, 1 M, started 0 times\n"
          "                                PER SECOND   SINCE ITS START\n"
          "  run_ms                                 0                 0\n"
          "  exits                                  0                 0\n");
}

TEST_CASE("report: JSON has numbers for numbers, and names stay words")
{
    CHECK(json_of({}) == "[]\n");
    auto const all = nlohmann::json::parse(json_of({"guest name=12 exits=3 state=running empty= big=99999999999999999999 negative=-1 hex=0x1 share=1.5"}));
    REQUIRE(all.size() == 1);
    CHECK(all[0] == nlohmann::json{{"kind", "guest"}, {"name", "12"}, {"exits", 3}, {"state", "running"}, {"empty", ""}, {"big", "99999999999999999999"},
                                   {"negative", "-1"}, {"hex", "0x1"}, {"share", "1.5"}});
}

TEST_CASE("report: lines that are none of a monitor's make no guests, and JSON that can be read")
{
    using namespace std::string_literals;
    Lines const garbage{"", "guest", "\xff\xfe=\x1b\"\\", "=", "guest name=\0x state"s, "exits", "disk disk=", "guests name=cat", std::string(5000, 'x')};
    for (auto const& table : {list_table(garbage, garbage), counters_table(garbage, garbage)}) {
        CHECK(table.find("cat") == table.npos);
        CHECK(table.size() < 1000);
    }
    auto const all = nlohmann::json::parse(json_of(garbage));
    REQUIRE(all.size() == garbage.size());
    CHECK(all[1] == nlohmann::json{{"kind", "guest"}});
    CHECK(all[7]["name"] == "cat");
}
