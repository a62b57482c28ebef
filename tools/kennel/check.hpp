// SPDX-License-Identifier: Apache-2.0
//
// The verb `check`: kennel check FILE.toml says everything that is wrong with a configuration, and what it needs when nothing is.
#pragma once
#include "tools/kennel/fault.hpp"
#include <CLI/CLI.hpp>

namespace kennel::tool {

void add_check(CLI::App& program, ExitStatus& status);

} // namespace kennel::tool
