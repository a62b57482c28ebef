// SPDX-License-Identifier: Apache-2.0
//
// The four forms of the result, and the comparison with an earlier one.
#pragma once
#include "tests/bench/report/rows.hpp"

namespace kennel::bench {

void        print_table(std::vector<Row> const& rows, Model const& model, std::string const& about);
std::string markdown(std::vector<Row> const& rows, Model const& model, std::string const& about);
std::string json(std::vector<Row> const& rows, Model const& model);
std::string chart(std::vector<Row> const& rows);

// Prints PASS or FAIL for each primitive of the baseline, which is the JSON of an earlier run. False when one failed.
bool compare(std::vector<Row> const& rows, std::filesystem::path const& baseline);

} // namespace kennel::bench
