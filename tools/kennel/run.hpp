// SPDX-License-Identifier: Apache-2.0
//
// The verb `run`: kennel run [options] MEMORY KERNEL [options and kernel arguments in any order]
#pragma once
#include "tools/kennel/fault.hpp"
#include <CLI/CLI.hpp>

namespace kennel::tool {

// Adds the verb to the program's commands. `more` are kernel arguments that stood behind a `--`, which the parser never sees.
// When the verb is chosen, `status` is how the program ends.
void add_run(CLI::App& program, std::vector<std::string> more, ExitStatus& status);

} // namespace kennel::tool
