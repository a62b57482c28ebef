// SPDX-License-Identifier: Apache-2.0
//
// What the program says about itself, all of it from the options' definitions: --help, the manual page, bash's completion.
#pragma once
#include <CLI/CLI.hpp>

namespace kennel::tool {

// Sets the program's and each verb's --help. `examples` and exit statuses stand in the verbs' footers.
void use_own_help(CLI::App& program);

std::string manual_page(CLI::App const& program);       // troff, for man(1)
std::string bash_completion(CLI::App const& program);

// The hidden verb `documentation`, by which the build makes both.
void add_documentation(CLI::App& program);

} // namespace kennel::tool
