// SPDX-License-Identifier: Apache-2.0
//
// A description of several guests and services in one JSON file, for `kennel run --machine=FILE`:
//
//   { "services": [ { "name": "service", "memory": "64m", "owns_devices": true } ],
//     "guests":   [ { "name": "a", "memory": "128m", "kernel": "vmlinuz", "initrd": "initrd.img", "arguments": "quiet",
//                     "service": 0, "cpu": 0, "weight": 100, "policy": "stop", "attached": true,
//                     "disks": [ { "file": "disk.img", "partition": "LABEL", "write_through": true },
//                                { "file": "root.img", "overlay": "64m" }, { "file": "tools.img", "ram": true, "read_only": true },
//                                { "file": "shared.img", "pmem": "eager" | "lazy" }, { "size": "64m", "serial": "scratch" } ],
//                     "cards": [ { "network": "lan", "address": "52:54:00:12:34:56", "mtu": 1500, "any_source": false,
//                                  "forwards": [ "tcp:2222:22" ] } ] } ],
//     "networks": [ { "name": "lan", "mode": "isolated" | "nat" | "bridge" } ],
//     "options":  [ "trust_guests" ] }
//
// Only guests with name, memory and kernel are needed. A disk has a "file" (with "ram" loaded into RAM, with "pmem" memory that guests share, else a drive of the machine;
// "partuuid" instead of "partition") or the "size" of a blank one in RAM. Paths are relative to the file. An unknown key is refused.
#pragma once
#include "tools/kennel/plan.hpp"

namespace kennel::tool {

Or<Plan> parse_description(std::string_view text, std::string_view name, fs::path const& folder);
Or<Plan> read_description(fs::path const& path);

} // namespace kennel::tool
