// SPDX-License-Identifier: Apache-2.0
//
// What shall run: services and guests, as the command line or a description file says. manifest.cpp makes the machine's
// manifest of it, esp.cpp its disk.
#pragma once
#include "hv/abi/manifest.hpp"
#include "tools/kennel/disk.hpp"
#include "tools/kennel/kernel_image.hpp"
#include "tools/kennel/network.hpp"
#include <optional>

namespace kennel::tool {

struct ServicePlan {
    std::string name = "service";
    u64         memory = 0;             // bytes; 0: all that is left
    bool        owns_devices = true;
};

struct GuestPlan {
    std::string             name = "guest";
    u64                     memory = 0; // bytes, a multiple of 2 MiB
    fs::path                kernel;
    std::optional<fs::path> initrd;
    std::string             command_line;
    u32                     service = 0;
    u32                     cpu = abi::any_cpu;
    u32                     weight = 100;
    abi::StopPolicy         policy = abi::StopPolicy::stop;
    bool                    attached = false;   // gets what is typed
    std::vector<DiskPlan>   disks;              // vda, vdb, ...
    std::vector<CardPlan>   cards;              // eth0, eth1, ...
};

struct Plan {
    std::vector<ServicePlan> services;
    std::vector<GuestPlan>   guests;
    std::vector<NetworkPlan> networks;
    u32                      options = 0;       // abi::MachineOption bits
};

// The machine has a network card where a network has a way out.
bool wants_network_card(Plan const& plan);
std::vector<ForwardPlan> forwards_of(Plan const& plan);

inline constexpr std::string_view policy_names[] = {"stop", "restart", "hold"};   // abi::StopPolicy
inline constexpr usize most_disks_of_guest = 8;                                  // as the service has room for

Or<abi::StopPolicy> parse_policy(std::string_view text);

// Single rules, for whoever wants to name the place as well. `field`: the manifest's, bytes.
Or<void> check_name(std::string_view what, std::string_view name, usize field);
Or<void> check_memory(GuestPlan const& guest, KernelImage const& kernel, u64 initrd_size);

// Reads every kernel and initrd and refuses what cannot run. Rounds memory up to 2 MiB.
Or<void> check_plan(Plan& plan);

u64 guest_memory(Plan const& plan);             // of all guests, bytes
std::vector<DiskPlan const*> all_disks(Plan const& plan);

// `output` is none of the files that the plan is made of, nor the file it was read from (none: ""): writing there would destroy it.
Or<void> check_output(fs::path const& output, Plan const& plan, fs::path const& configuration);

} // namespace kennel::tool
