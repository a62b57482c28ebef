// SPDX-License-Identifier: Apache-2.0
//
// The verbs `list`, `counters`, `start`, `stop`, `restart`, `reset`, `poweroff` and `console`: a running machine, from outside.
#pragma once
#include "tools/kennel/fault.hpp"
#include <CLI/CLI.hpp>

namespace kennel::tool {

void add_operate(CLI::App& program, ExitStatus& status);

} // namespace kennel::tool
