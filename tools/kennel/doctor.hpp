// SPDX-License-Identifier: Apache-2.0
//
// The verb `doctor`: kennel doctor says whether Kennel can run on this machine, and which emulators can be used.
#pragma once
#include "tools/kennel/fault.hpp"
#include <CLI/CLI.hpp>

namespace kennel::tool {

void add_doctor(CLI::App& program, ExitStatus& status);

} // namespace kennel::tool
