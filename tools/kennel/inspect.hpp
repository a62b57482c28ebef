// SPDX-License-Identifier: Apache-2.0
//
// The verb `inspect`: kennel inspect IMAGE shows what an image holds, and whether it is whole.
#pragma once
#include "tools/kennel/fault.hpp"
#include <CLI/CLI.hpp>

namespace kennel::tool {

void add_inspect(CLI::App& program, ExitStatus& status);

} // namespace kennel::tool
