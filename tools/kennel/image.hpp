// SPDX-License-Identifier: Apache-2.0
//
// The verb `image`: kennel image FILE.toml -o disk.img makes a disk that boots a configuration.
#pragma once
#include "tools/kennel/fault.hpp"
#include <CLI/CLI.hpp>

namespace kennel::tool {

void add_image(CLI::App& program, ExitStatus& status);

} // namespace kennel::tool
