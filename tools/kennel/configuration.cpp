// SPDX-License-Identifier: Apache-2.0
//
// See configuration.hpp.
#include "tools/kennel/configuration.hpp"
#include "tools/kennel/command_line.hpp"
#include "tools/kennel/content.hpp"
#include "tools/kennel/kernel_image.hpp"
#include "tools/kennel/schema.hpp"
#include "tools/kennel/size.hpp"
#include "tools/kennel/spelling.hpp"
#include "tools/kennel/terminal.hpp"
#include <algorithm>
#include <map>
#include <sstream>

namespace kennel::tool {

namespace {

constexpr u64 largest_configuration = 1 << 20;   // bytes; a longer file is no configuration

// Names and files that must be unique, with the place of the first.
class Seen {
public:
    void note(Section const& section, std::string_view key, std::string const& value, Problems& problems, std::string_view what)
    {
        auto const [entry, fresh] = places_.emplace(value, section.place(key));
        if (!fresh)
            problems.add(section.place(key), std::format("{}: {} '{}' is taken: line {} has it", section.name(), what, shortened(value), entry->second.line));
    }

private:
    std::map<std::string, Place> places_;
};

class Reader {
public:
    Reader(Section root, fs::path folder, Problems& problems) : root_{std::move(root)}, folder_{std::move(folder)}, problems_{problems} {}

    Configuration read()
    {
        if (auto const machine = root_.table("machine", machine_keys))
            read_machine(*machine);
        read_services();
        read_networks();
        read_guests();
        add_up();
        return std::move(result_);
    }

private:
    void read_machine(Section const& machine)
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

    void read_services()
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

    void read_guests()
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

    void read_guest(Section const& section)
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
                section.fault("cpu", std::format("'cpu' is {}, but the machine has {} (line {}): 0 to {} are possible", guest.cpu, *cpus_,
                                                 machine_->place("cpus").line, *cpus_ - 1));
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
    void read_files(Section const& section, GuestPlan& guest)
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

    void read_disks(Section const& section, GuestPlan& guest)
    {
        for (Section const& entry : tables(section, "disk", disk_keys, most_disks_of_guest)) {
            read_disk(entry, guest);
            if (++disk_count_ == abi::max_disks + 1)
                entry.fault("", std::format("{} disks of all guests are possible", abi::max_disks));
        }
    }

    void read_disk(Section const& section, GuestPlan& guest)
    {
        DiskPlan disk;
        auto const file = section.path("file", folder_);
        auto const ram = section.size("ram");
        if (section.has("file") == section.has("ram"))
            section.fault("", "one of 'file' and 'ram' is needed: where its content is");
        disk.file = file.value_or("");
        disk.bytes = ram.value_or(0);
        disk.kind = section.has("ram") ? abi::MediumKind::memory : section.yes("in_memory").value_or(false) ? abi::MediumKind::module : abi::MediumKind::drive;
        disk.read_only = section.yes("read_only").value_or(false);
        disk.overlay = section.size("overlay").value_or(0);
        disk.write_through = section.yes("write_through").value_or(false);
        disk.label = section.text("partition").value_or("");
        if (auto const uuid = section.text("partuuid"))
            disk.uuid = report(section, "partuuid", parse_uuid(*uuid));
        disk.serial = section.text("serial").value_or(ram ? "ram" : "");
        for (std::string_view const key : {"partition", "serial"})
            if (auto const text = section.text(key); text && text->empty())
                section.fault(key, std::format("'{}' is empty", key));
        if (!file && !ram)
            return;
        report(section, file ? "file" : "ram", check_disk(disk));
        if (disk.kind == abi::MediumKind::drive && !result_.plan.services[guest.service].owns_devices)
            section.fault("file", std::format("{}: its service does not own the devices, so it has no drives: in_memory = true is possible", disk.file.string()));
        std::error_code error;
        if (disk.kind == abi::MediumKind::drive)
            for (auto const& [other, place] : drives_)
                if (fs::equivalent(other.file, disk.file, error) && !may_share(disk, other)) {
                    section.fault("file", std::format("{}: line {} has it as well, and one of them writes to it: give each a partition of its own, or read_only or overlay to both",
                                                      disk.file.string(), place.line));
                    break;
                }
        if (disk.kind == abi::MediumKind::drive)
            drives_.emplace_back(disk, section.place("file"));
        guest.disks.push_back(std::move(disk));
    }

    void read_networks()
    {
        Seen names, bridges;
        for (Section const& section : tables(root_, "network", network_keys, abi::max_networks)) {
            section.need({"name"});
            NetworkPlan network{.name = section.text("name").value_or(""), .mode = abi::NetworkMode::nat};
            if (section.has("name")) {
                report(section, "name", check_network_name(network.name));
                names.note(section, "name", network.name, problems_, "the name");
            }
            if (auto const mode = section.choice("mode", mode_names))
                network.mode = static_cast<abi::NetworkMode>(*mode);
            if (network.mode == abi::NetworkMode::bridge)
                bridges.note(section, "mode", "bridge", problems_, "the machine's network card, mode");
            result_.plan.networks.push_back(std::move(network));
        }
        network_services_.resize(result_.plan.networks.size());
    }

    void read_cards(Section const& section, GuestPlan& guest)
    {
        for (Section const& entry : section.list("net", card_keys)) {
            read_card(entry, guest);
            if (++card_count_ == abi::max_cards + 1)
                entry.fault("", std::format("{} cards of all guests are possible", abi::max_cards));
        }
    }

    void read_card(Section const& section, GuestPlan& guest)
    {
        section.need({"network"});
        CardPlan card;
        card.mtu = static_cast<u16>(section.number("mtu", 68, 9000).value_or(1500));
        card.any_source = section.yes("any_source").value_or(false);
        if (auto const address = section.text("address")) {
            card.address = report(section, "address", parse_hardware_address(*address));
            addresses_.note(section, "address", *address, problems_, "the address");
        }
        NetworkPlan const* const network = network_of(section, guest);
        if (auto const words = section.text("forwards")) {
            std::istringstream stream{*words};
            for (std::string word; stream >> word;)
                if (auto const forward = report(section, "forwards", parse_forward(word))) {
                    forwards_.note(section, "forwards", std::format("{}:{}", forward->protocol_name(), forward->port), problems_, "the port");
                    card.forwards.push_back(*forward);
                }
            if (card.forwards.size() > abi::max_forwards)
                section.fault("forwards", std::format("there are {}; {} are possible", card.forwards.size(), abi::max_forwards));
            if (network && network->mode != abi::NetworkMode::nat)
                section.fault("forwards", std::format("network '{}' is not in mode nat, so nothing can be forwarded", network->name));
        }
        if (network)
            card.network = network->name;
        guest.cards.push_back(std::move(card));
    }

    // A network is one service's: that of the first guest on it.
    NetworkPlan const* network_of(Section const& section, GuestPlan const& guest)
    {
        auto const& networks = result_.plan.networks;
        auto const found = named(section, "network", networks);
        if (!found)
            return nullptr;
        auto& service = network_services_[*found];
        if (service.value_or(guest.service) != guest.service)
            section.fault("network", std::format("network '{}' is of guests of another service, and a network is one service's", networks[*found].name));
        service = service.value_or(guest.service);
        return &networks[*found];
    }

    void add_up()
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

    // The tables of [[key]], of which `most` are possible.
    static std::vector<Section> tables(Section const& section, std::string_view key, std::span<Key const> keys, usize most)
    {
        auto sections = section.list(key, keys);
        if (sections.size() > most)
            sections[most].fault("", std::format("there are {} {}s; {} are possible", sections.size(), key, most));
        return sections;
    }

    // Which of `list` the key names; its name is that of what is in the list. None: it is not there, or wrong and that was reported.
    template <class List> static std::optional<usize> named(Section const& section, std::string_view key, List const& list)
    {
        auto const name = section.text(key);
        if (!name)
            return std::nullopt;
        std::vector<std::string_view> names;
        for (auto const& entry : list)
            names.push_back(entry.name);
        auto const found = std::ranges::find(names, std::string_view{*name});
        if (found != names.end())
            return static_cast<usize>(found - names.begin());
        section.fault(key, names.empty() ? std::format("there is no {} '{}': a table [[{}]] with that name is needed", key, shortened(*name), key)
                                         : std::format("there is no {} '{}': {} is possible{}", key, shortened(*name), one_of(names), suggestion(*name, names)));
        return std::nullopt;
    }

    // A fault of one value becomes a problem at its place.
    template <typename T> std::optional<T> report(Section const& section, std::string_view key, Or<T> value)
    {
        if (value)
            return std::move(*value);
        section.fault(key, value.error().text);
        return std::nullopt;
    }
    void report(Section const& section, std::string_view key, Or<void> const& checked)
    {
        if (!checked)
            section.fault(key, checked.error().text);
    }

    Section                root_;
    fs::path               folder_;
    Problems&              problems_;
    Configuration          result_;
    std::optional<Section> machine_;
    std::optional<u32>     cpus_;
    std::vector<Section>   services_, guests_;
    Seen                   guest_names_, consoles_, addresses_, forwards_;
    std::vector<std::optional<u32>> network_services_;
    std::vector<std::pair<DiskPlan, Place>> drives_;    // of all guests so far
    u32                    disk_count_ = 0, card_count_ = 0;
};

} // namespace

std::optional<Configuration> parse_configuration(std::string_view text, fs::path const& folder, Problems& problems)
{
    toml::table root;
    try {
        root = toml::parse(text);
    } catch (toml::parse_error const& error) {
        problems.add({error.source().begin.line, error.source().begin.column}, std::format("not TOML: {}", error.description()));
        return std::nullopt;
    }
    auto configuration = Reader{Section{root, "the file", root_keys, problems}, folder, problems}.read();
    if (!problems.empty())
        return std::nullopt;
    return configuration;
}

std::optional<Configuration> read_configuration(fs::path const& path, Problems& problems)
{
    auto const bytes = read_file(path, largest_configuration);
    if (!bytes) {
        auto text = bytes.error().text;
        if (text.starts_with(problems.file() + ": "))
            text.erase(0, problems.file().size() + 2);
        problems.add({}, text);
        return std::nullopt;
    }
    return parse_configuration({reinterpret_cast<char const*>(bytes->data()), bytes->size()}, path.parent_path(), problems);
}

Or<Configuration> use_configuration(std::string const& path)
{
    Problems problems{path};
    if (auto configuration = read_configuration(path, problems))
        return std::move(*configuration);
    auto const lines = problems.lines();
    for (auto const& line : lines)
        say_line(line);
    return bad_usage("{} cannot be used: {} problem{}; nothing was started", path, lines.size(), lines.size() == 1 ? "" : "s");
}

u64 usual_machine_memory(Configuration const& configuration)
{
    if (configuration.memory != 0)
        return configuration.memory;
    return round_up(std::max<u64>(least_machine_memory(configuration.plan), 512 << 20), 64 << 20);
}

u64 least_machine_memory(Plan const& plan)
{
    constexpr u64 own_memory = 160 << 20;   // the hypervisor's, the services' own and the firmware's
    u64 least = own_memory;
    for (auto const& service : plan.services)
        least += service.memory;                     // its guests and files are in it
    auto const has_size = [&](GuestPlan const& guest) { return guest.service < plan.services.size() && plan.services[guest.service].memory != 0; };
    std::map<std::pair<fs::path, u32>, u64> files;   // each service gets a copy of its own
    for (auto const& guest : plan.guests) {
        if (has_size(guest))
            continue;
        least += guest.memory;
        for (auto const& disk : guest.disks)
            least += disk_memory(disk);
        std::error_code error;
        for (fs::path const& path : {guest.kernel, guest.initrd.value_or(fs::path{})})
            if (u64 const size = path.empty() ? 0 : fs::file_size(path, error); !path.empty() && !error)
                files[{path, guest.service}] = size;
    }
    for (auto const& [file, size] : files)
        least += size;
    return least;
}

} // namespace kennel::tool
