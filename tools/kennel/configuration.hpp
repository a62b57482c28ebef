// SPDX-License-Identifier: Apache-2.0
//
// A configuration file: machine, services and guests in TOML. docs/configuration.md is its manual, schema.hpp its list of keys.
// Reading it is checking it: files are opened, recognised and measured, sums are made, and every fault is a Problem.
#pragma once
#include "tools/kennel/plan.hpp"
#include "tools/kennel/problem.hpp"
#include "tools/kennel/section.hpp"

namespace kennel::tool {

struct Configuration {
    Plan plan;
    u32  cpus = 1;              // of the machine: as said, or as many as the guests' `cpu` need
    u64  memory = 0;            // of the machine, bytes; 0: not said
};

// None: there is at least one problem.
std::optional<Configuration> read_configuration(fs::path const& path, Problems& problems);
std::optional<Configuration> parse_configuration(std::string_view text, fs::path const& folder, Problems& problems);

// For a verb that needs a right one: problems are said, one a line, and the fault counts them.
Or<Configuration> use_configuration(std::string const& path);

// The least memory of a machine for this plan, bytes: the hypervisor's and firmware's, the services', the guests', and the files.
u64 least_machine_memory(Plan const& plan);
// What an emulated machine gets: as said, or with some room above the least.
u64 usual_machine_memory(Configuration const& configuration);

} // namespace kennel::tool
