// SPDX-License-Identifier: Apache-2.0
//
// See configuration_reader.hpp: machine, services, guests. Their disks and networks are in configuration_devices.cpp.
#include "tools/kennel/configuration_reader.hpp"
#include "tools/kennel/command_line.hpp"
#include "tools/kennel/content.hpp"
#include "tools/kennel/kernel_image.hpp"
#include "tools/kennel/schema.hpp"
#include "tools/kennel/size.hpp"

namespace kennel::tool {

Configuration ConfigurationReader::read()
{
    if (auto const machine = root_.table("machine", machine_keys))
        read_machine(*machine);
    read_services();
    read_networks();
    read_guests();
    add_up();
    return std::move(result_);
}


void ConfigurationReader::read_machine(Section const& machine)
{
    machine_ = machine;
    if (auto const cpus = machine.number("cpus", 1, abi::max_cpus))
        cpus_ = static_cast<u32>(*cpus);
    result_.memory = machine.size("memory").value_or(0);
    auto const option = [&](std::string_view key, abi::MachineOption value) {
        if (machine.yes(key).value_or(false))
            result_.plan.options |= static_cast<u32>(value);
    };
    option("trust_guests",   abi::MachineOption::trust_guests);
    option("verbose",        abi::MachineOption::verbose);
    option("log_on_console", abi::MachineOption::log_on_console);
}

void ConfigurationReader::read_services()
{
    services_ = tables(root_, "service", service_keys, abi::max_services);
    bool const said = std::ranges::any_of(services_, [](Section const& section) { return section.has("devices"); });
    Seen names;
    u32 greedy = 0, owners = 0;
    for (Section const& section : services_) {
        auto& services = result_.plan.services;
        bool const first = services.empty();
        ServicePlan service{.name = first ? "service" : std::format("service{}", services.size() + 1), .memory = 0, .owns_devices = first && !said};
        if (auto const name = section.text("name")) {
            service.name = *name;
            report(section, "name", check_name("service", *name, sizeof abi::ManifestService::name));
        }
        names.note(section, "name", service.name, problems_, "the name");
        service.memory = round_up(section.size("memory").value_or(0), large_page);
        if (!section.has("memory") && ++greedy > 1)
            section.fault("", "only one service can have all the memory that is left: give it a 'memory'");
        if (auto const devices = section.yes("devices"))
            service.owns_devices = *devices;
        if (service.owns_devices && ++owners > 1)
            section.fault("devices", "another service owns the devices: exactly one can");
        services.push_back(std::move(service));
    }
    if (services_.empty())
        result_.plan.services.emplace_back();
    else if (owners == 0)
        services_.front().fault("devices", "no service owns the devices: exactly one must, devices = true");
}

void ConfigurationReader::read_guests()
{
    guests_ = tables(root_, "guest", guest_keys, abi::max_guests);
    if (guests_.empty() && (!root_.has("guest") || root_.is_empty_list("guest")))
        problems_.add(root_.has("guest") ? root_.place("guest") : Place{}, "there is no guest: a table [[guest]] with name, memory and kernel is needed");
    for (Section const& section : guests_)
        read_guest(section);
    auto& guests = result_.plan.guests;
    if (!guests.empty() && std::ranges::none_of(guests, &GuestPlan::attached))
        guests.front().attached = true;
    result_.cpus = cpus_.value_or(1);
    for (GuestPlan const& guest : guests)
        if (!cpus_ && guest.cpu != abi::any_cpu)
            result_.cpus = std::max(result_.cpus, guest.cpu + 1);
}

void ConfigurationReader::read_guest(Section const& section)
{
    section.need({"name", "memory", "kernel"});
    GuestPlan guest;
    if (auto const name = section.text("name")) {
        guest.name = *name;
        report(section, "name", check_name("guest", *name, sizeof abi::ManifestGuest::name));
        guest_names_.note(section, "name", *name, problems_, "the name");
    }
    guest.memory = round_up(section.size("memory").value_or(0), large_page);
    if (section.number("cpus", 1, abi::max_cpus).value_or(1) > 1)
        section.fault("cpus", "only 1 is possible: guests with several processors are not there yet");
    if (auto const cpu = section.number("cpu", 0, abi::max_cpus - 1)) {
        guest.cpu = static_cast<u32>(*cpu);
        if (cpus_ && guest.cpu >= *cpus_)
            section.fault("cpu", std::format("'cpu' is {}, but the machine has {} (line {}): {} possible", guest.cpu, *cpus_, machine_->place("cpus").line,
                                             *cpus_ == 1 ? "only 0 is" : std::format("0 to {} are", *cpus_ - 1)));
    }
    guest.weight = static_cast<u32>(section.number("weight", 1, 1000).value_or(100));
    guest.policy = static_cast<abi::StopPolicy>(section.choice("policy", policy_names).value_or(0));
    guest.service = static_cast<u32>(named(section, "service", result_.plan.services).value_or(0));
    if (section.yes("console").value_or(false)) {
        guest.attached = true;
        consoles_.note(section, "console", "true", problems_, "console =");
    }
    read_files(section, guest);
    read_disks(section, guest);
    read_cards(section, guest);
    result_.plan.guests.push_back(std::move(guest));
}

// The files' own faults, and what only they can tell: how long the command line may be, how much memory is needed.
void ConfigurationReader::read_files(Section const& section, GuestPlan& guest)
{
    std::optional<KernelImage> kernel;
    std::optional<u64> initrd_size;
    if (auto const path = section.path("kernel", folder_)) {
        guest.kernel = *path;
        if (auto const file = report(section, "kernel", read_file(guest.kernel)))
            kernel = report(section, "kernel", read_kernel(guest.kernel.string(), *file));
    }
    if (auto const path = section.path("initrd", folder_)) {
        guest.initrd = *path;
        if (auto const start = report(section, "initrd", read_start(*guest.initrd, content_start))) {
            if (auto const content = recognise(*start); may_be_initrd(content))
                initrd_size = fs::file_size(*guest.initrd);
            else
                section.fault("initrd", std::format("{}: {}, not an initrd: a cpio archive or a file system is wanted, compressed or not",
                                                    guest.initrd->string(), describe(content)));
        }
    }
    if (auto const line = report(section, "command_line", guest_command_line(section.text("command_line").value_or("")))) {
        guest.command_line = *line;
        if (kernel && line->size() > kernel->command_line_size)
            section.fault("command_line", std::format("the command line has {} characters; {} takes {}", line->size(), guest.kernel.string(), kernel->command_line_size));
    }
    if (kernel && guest.memory != 0 && (initrd_size || !guest.initrd))
        report(section, "memory", check_memory(guest, *kernel, initrd_size.value_or(0)));
}

void ConfigurationReader::add_up()
{
    Plan const& plan = result_.plan;
    u64 const least = round_up(least_machine_memory(plan), large_page);
    if (result_.memory != 0 && result_.memory < least)
        machine_->fault("memory", std::format("{} is too little: the guests have {}, and with services, files and the hypervisor at least {} is needed",
                                              size_text(result_.memory), size_text(guest_memory(plan)), size_text(least)));
    for (usize i = 0; i < services_.size(); i++) {
        u64 guests = 0;
        for (GuestPlan const& guest : plan.guests)
            guests += guest.service == i ? guest.memory : 0;
        if (plan.services[i].memory != 0 && plan.services[i].memory <= guests)
            services_[i].fault("memory", std::format("{} is too little: its guests alone have {}", size_text(plan.services[i].memory), size_text(guests)));
    }
}

std::vector<Section> tables(Section const& section, std::string_view key, std::span<Key const> keys, usize most)
{
    auto sections = section.list(key, keys);
    if (sections.size() > most)
        sections[most].fault("", std::format("there are {} {}s; {} are possible", sections.size(), key, most));
    return sections;
}

} // namespace kennel::tool
