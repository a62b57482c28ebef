// SPDX-License-Identifier: Apache-2.0
//
// See plan.hpp.
#include "tools/kennel/plan.hpp"
#include "tools/kennel/size.hpp"
#include "tools/kennel/spelling.hpp"
#include <algorithm>

namespace kennel::tool {

namespace {

bool printable(std::string_view text)
{
    return std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
}

Or<void> check_disks(Plan const& plan, GuestPlan& guest)
{
    if (guest.disks.size() > most_disks_of_guest)
        return bad_usage("guest {}: {} disks: at most {} are possible", guest.name, guest.disks.size(), most_disks_of_guest);
    for (DiskPlan& disk : guest.disks) {
        TRY(check_disk(disk));
        if (disk.kind == abi::MediumKind::drive && !plan.services[guest.service].owns_devices)
            return bad_usage("guest {}: {}: its service does not own the devices, so it has no drives; a disk in RAM is possible", guest.name, disk.file.string());
    }
    return {};
}

Or<void> check_guest(Plan const& plan, GuestPlan& guest)
{
    TRY(check_name("guest", guest.name, sizeof abi::ManifestGuest::name));
    if (guest.service >= plan.services.size())
        return bad_usage("guest {}: there is no service {}", guest.name, guest.service);
    if (guest.weight < 1 || guest.weight > 1000)
        return bad_usage("guest {}: weight {} is not in 1 to 1000", guest.name, guest.weight);
    if (guest.cpu != abi::any_cpu && guest.cpu >= abi::max_cpus)
        return bad_usage("guest {}: cpu {} is above {}", guest.name, guest.cpu, abi::max_cpus - 1);

    auto const file = TRY(read_file(guest.kernel));
    auto const kernel = TRY(read_kernel(guest.kernel.string(), file));
    u64 const initrd = guest.initrd ? TRY(read_file(*guest.initrd)).size() : 0;
    if (guest.initrd && initrd == 0)
        return bad_usage("{}: an empty file, not an initrd", guest.initrd->string());
    if (guest.command_line.size() > kernel.command_line_size)
        return bad_usage("guest {}: its command line has {} characters; {} takes {}", guest.name, guest.command_line.size(),
                         guest.kernel.string(), kernel.command_line_size);
    guest.memory = round_up(guest.memory, large_page);
    TRY(check_memory(guest, kernel, initrd));
    return check_disks(plan, guest);
}

} // namespace

Or<void> check_name(std::string_view what, std::string_view name, usize field)
{
    if (name.empty() || name.size() >= field || !printable(name))
        return bad_usage("{} name '{}': 1 to {} printable ASCII characters without spaces are allowed", what, shortened(name), field - 1);
    return {};
}

Or<void> check_memory(GuestPlan const& guest, KernelImage const& kernel, u64 initrd_size)
{
    u64 const least = least_memory(kernel, initrd_size);
    if (guest.memory < least)
        return bad_usage("{} is too little memory for {}{}{}: it takes at least {}", size_text(guest.memory), guest.kernel.string(),
                         guest.initrd ? " with " : "", guest.initrd ? guest.initrd->string() : "", size_text(least));
    return {};
}

Or<abi::StopPolicy> parse_policy(std::string_view text)
{
    if (auto const found = std::ranges::find(policy_names, text); found != std::end(policy_names))
        return static_cast<abi::StopPolicy>(found - std::begin(policy_names));
    return bad_usage("policy '{}' is unknown: {} is possible{}", shortened(text), one_of(policy_names), suggestion(text, policy_names));
}

Or<void> check_plan(Plan& plan)
{
    if (plan.services.empty() || plan.services.size() > abi::max_services)
        return bad_usage("{} services: 1 to {} are possible", plan.services.size(), abi::max_services);
    if (plan.guests.empty() || plan.guests.size() > abi::max_guests)
        return bad_usage("{} guests: 1 to {} are possible", plan.guests.size(), abi::max_guests);
    if (std::ranges::count_if(plan.services, &ServicePlan::owns_devices) != 1)
        return bad_usage("exactly one service must own the devices");
    if (std::ranges::count(plan.services, 0u, &ServicePlan::memory) > 1)
        return bad_usage("at most one service can have all the memory that is left: give the others a size");
    for (auto& service : plan.services) {
        TRY(check_name("service", service.name, sizeof abi::ManifestService::name));
        service.memory = round_up(service.memory, large_page);
    }
    for (auto& guest : plan.guests) {
        TRY(check_guest(plan, guest));
        if (std::ranges::count(plan.guests, guest.name, &GuestPlan::name) > 1)
            return bad_usage("two guests are named {}", guest.name);
    }
    if (auto const count = all_disks(plan).size(); count > abi::max_disks)
        return bad_usage("{} disks: at most {} are possible", count, abi::max_disks);
    return {};
}

u64 guest_memory(Plan const& plan)
{
    return std::ranges::fold_left(plan.guests, u64{0}, [](u64 sum, GuestPlan const& guest) { return sum + guest.memory; });
}

std::vector<DiskPlan const*> all_disks(Plan const& plan)
{
    std::vector<DiskPlan const*> disks;
    for (GuestPlan const& guest : plan.guests)
        for (DiskPlan const& disk : guest.disks)
            disks.push_back(&disk);
    return disks;
}

Or<void> check_output(fs::path const& output, Plan const& plan, fs::path const& configuration)
{
    std::vector<fs::path> inputs{configuration};
    for (GuestPlan const& guest : plan.guests) {
        inputs.push_back(guest.kernel);
        inputs.push_back(guest.initrd.value_or(""));
    }
    for (DiskPlan const* disk : all_disks(plan))
        inputs.push_back(disk->file);
    std::error_code ignored;                               // what is not there is no other file's name
    if (std::ranges::any_of(inputs, [&](fs::path const& input) { return fs::equivalent(output, input, ignored); }))
        return bad_usage("{}: is needed to read from, and would be overwritten", output.string());
    return {};
}

bool wants_network_card(Plan const& plan)
{
    return std::ranges::any_of(plan.networks, [](NetworkPlan const& network) { return network.mode != abi::NetworkMode::isolated; });
}

std::vector<ForwardPlan> forwards_of(Plan const& plan)
{
    std::vector<ForwardPlan> all;
    for (auto const& guest : plan.guests)
        for (auto const& card : guest.cards)
            all.insert(all.end(), card.forwards.begin(), card.forwards.end());
    return all;
}

} // namespace kennel::tool
