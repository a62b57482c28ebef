// SPDX-License-Identifier: Apache-2.0
//
// The rows of the table: what each is called, its goal, and the facts of both sides. And the model of cycles.
#pragma once
#include "tests/bench/report/facts.hpp"

namespace kennel::bench {

// A model, no measurement: an emulator has no cycles. Every figure of it can be set on the command line.
struct Model {
    double cycles_per_instruction = 0.7;
    double exit = 1100;                          // leaving the guest and entering it again, by the processor
    double speculation = 500;                    // clearing buffers and switching predictors at each crossing, where that is on

    double cycles(Fact const& fact, bool with_speculation) const;
};

struct Row {
    std::string                  group, name, label;
    std::optional<std::uint64_t> goal;           // of the median; "at most"
    std::optional<double>        goal_of_exits;
    Fact const*                  kennel = nullptr;
    Fact const*                  kvm = nullptr;
    Fact const*                  floor = nullptr;   // the same without any hypervisor

    std::optional<bool>   is_met() const;        // none: no goal
    std::optional<double> ratio() const;         // the peer's median by ours
};

std::vector<Row> rows_of(Facts const& facts);

} // namespace kennel::bench
