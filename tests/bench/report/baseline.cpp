// SPDX-License-Identifier: Apache-2.0
//
// Has a primitive become dearer? Compared are instruction counts, which repeat; the limit is a tenth more, and a few instructions
// for those that cost next to nothing.
#include "tests/bench/report/output.hpp"
#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <print>

namespace kennel::bench {

bool compare(std::vector<Row> const& rows, std::filesystem::path const& baseline)
{
    std::ifstream stream{baseline};
    nlohmann::json const before = nlohmann::json::parse(stream, nullptr, false);
    if (!before.is_object() || !before.contains("rows") || !before["rows"].is_array())
        give_up(baseline.string() + ": is no result of tests/bench/run --json");
    constexpr std::uint64_t slack = 5;
    bool passed = true;
    for (auto const& old : before["rows"]) {
        if (old.value("group", "") != "primitive" || !old.contains("kennel") || !old["kennel"].is_object())
            continue;
        std::string const name = old.value("name", "");
        std::uint64_t const was = old["kennel"].value("median", std::uint64_t{0}), limit = was + std::max(was / 10, slack);
        auto const row = std::ranges::find_if(rows, [&](Row const& r) { return r.group == "primitive" && r.name == name; });
        if (row == rows.end() || !row->kennel) {
            std::println("FAIL bench: {} was not measured", name);
            passed = false;
        } else if (row->kennel->median > limit) {
            std::println("FAIL bench: {}: {} instructions, {} in the baseline, at most {} allowed", name, row->kennel->median, was, limit);
            passed = false;
        } else {
            std::println("PASS bench: {} takes {} instructions (at most {})", name, row->kennel->median, limit);
        }
    }
    return passed;
}

} // namespace kennel::bench
