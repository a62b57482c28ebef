// SPDX-License-Identifier: Apache-2.0
//
// See configuration_reader.hpp: guests' disks, networks, and the cards on them.
#include "tools/kennel/configuration_reader.hpp"
#include "tools/kennel/schema.hpp"
#include <sstream>

namespace kennel::tool {

void ConfigurationReader::read_disks(Section const& section, GuestPlan& guest)
{
    for (Section const& entry : tables(section, "disk", disk_keys, most_disks_of_guest)) {
        read_disk(entry, guest);
        if (++disk_count_ == abi::max_disks + 1)
            entry.fault("", std::format("{} disks of all guests are possible", abi::max_disks));
    }
}

void ConfigurationReader::read_disk(Section const& section, GuestPlan& guest)
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
    if (auto const way = section.choice("pmem", pmem_names)) {
        if (ram || section.has("in_memory"))
            section.fault("pmem", "memory that guests share is a file's: 'ram' and 'in_memory' are not possible with it");
        if (section.has("read_only") && !disk.read_only)
            section.fault("read_only", "memory that guests share is only read: it cannot be false");
        disk.become_area(*way);
    }
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

void ConfigurationReader::read_networks()
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

void ConfigurationReader::read_cards(Section const& section, GuestPlan& guest)
{
    for (Section const& entry : section.list("net", card_keys)) {
        read_card(entry, guest);
        if (++card_count_ == abi::max_cards + 1)
            entry.fault("", std::format("{} cards of all guests are possible", abi::max_cards));
    }
}

void ConfigurationReader::read_card(Section const& section, GuestPlan& guest)
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
    if (auto const words = section.text("forwards"))
        read_forwards(section, *words, network, card);
    if (network)
        card.network = network->name;
    guest.cards.push_back(std::move(card));
}

void ConfigurationReader::read_forwards(Section const& section, std::string const& words, NetworkPlan const* network, CardPlan& card)
{
    std::istringstream stream{words};
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

// A network is one service's: that of the first guest on it.
NetworkPlan const* ConfigurationReader::network_of(Section const& section, GuestPlan const& guest)
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

} // namespace kennel::tool
