// SPDX-License-Identifier: Apache-2.0
//
// See manifest.hpp.
#include "tools/kennel/manifest.hpp"
#include "hv/lib/checksum.hpp"
#include "hv/lib/manifest.hpp"
#include <algorithm>
#include <cstring>

namespace kennel::tool {

namespace {

// A file's name on the disk: FAT knows no case and the field is short, so it may have to change.
std::string disk_name(fs::path const& path, std::vector<PlannedFile> const& taken)
{
    auto const same = [](std::string_view a, std::string_view b) {
        return std::ranges::equal(a, b, [](char x, char y) { return std::tolower(x) == std::tolower(y); });
    };
    auto const is_taken = [&](std::string_view name) {
        return same(name, "manifest") || same(name, "hypervisor.elf") || same(name, "service.elf") ||
               std::ranges::any_of(taken, [&](PlannedFile const& file) { return same(file.name, name); });
    };
    std::string base = path.filename().string().substr(0, 40);
    std::ranges::replace_if(base, [](char c) { return c <= ' ' || c > '~' || std::string_view{"/\\:*?\"<>|"}.contains(c); }, '_');
    while (base.ends_with('.'))
        base.pop_back();
    std::string name = base;
    for (u32 number = 2; name.empty() || is_taken(name); number++)
        name = std::format("{}-{}", base, number);
    return name;
}

// `own`: a copy nobody else uses, since it is written to.
Or<u32> file_index(std::vector<PlannedFile>& files, fs::path const& path, u32 service, bool own = false)
{
    std::error_code error;
    fs::path const real = fs::canonical(path, error);
    for (u32 i = 0; i < files.size(); i++)
        if (files[i].path == real && !files[i].own && !own) {
            files[i].services |= 1u << service;
            return i;
        }
    u64 const size = error ? 0 : fs::file_size(real, error);
    if (error)
        return bad_usage("{}: {}", path.string(), error.message());
    files.push_back({.name = disk_name(real, files), .path = real, .services = 1u << service, .size = size, .own = own});
    return static_cast<u32>(files.size() - 1);
}

template <usize size> void put_text(char (&field)[size], std::string_view text)
{
    std::memcpy(field, text.data(), std::min(text.size(), size - 1));
}

template <typename T> void append(std::vector<u8>& bytes, T const& value)
{
    auto const* first = reinterpret_cast<u8 const*>(&value);
    bytes.insert(bytes.end(), first, first + sizeof value);
}

Or<abi::ManifestDisk> disk_entry(Manifest& manifest, DiskPlan const& disk, u32 number, GuestPlan const& guest)
{
    abi::ManifestDisk entry{};
    std::ranges::copy(disk.serial.substr(0, sizeof entry.serial), entry.serial);   // may fill the field
    entry.guest   = number;
    entry.kind    = disk.kind;
    entry.bytes   = disk.kind == abi::MediumKind::memory ? disk.bytes : 0;
    entry.overlay = disk.overlay;
    auto const set = [&](abi::DiskOption option, bool wanted) { entry.options |= wanted ? static_cast<u32>(option) : 0; };
    set(abi::DiskOption::read_only, disk.read_only);
    set(abi::DiskOption::write_through, disk.write_through);
    set(abi::DiskOption::lazy, disk.lazy);
    set(abi::DiskOption::by_label, !disk.label.empty());
    set(abi::DiskOption::by_uuid, disk.uuid.has_value());
    std::ranges::copy(disk.label, entry.partition);
    if (disk.uuid)
        std::memcpy(entry.partition, disk.uuid->data(), disk.uuid->size());
    if (disk.kind == abi::MediumKind::module || disk.is_area())
        entry.source = TRY(file_index(manifest.files, disk.file, guest.service, !disk.read_only && disk.overlay == 0));
    if (disk.kind == abi::MediumKind::drive && !disk.own_drive)
        entry.source = drive_number(manifest.drives, disk);
    return entry;
}

struct NetworkTables { std::vector<u8> networks, cards; };

// A port goes to one guest only, and a guest's port is reached by one.
Or<void> check_forward(Plan const& plan, ForwardPlan const& forward)
{
    for (auto const& guest : plan.guests)
        for (auto const& card : guest.cards) {
            bool const own = !card.forwards.empty() && &forward >= card.forwards.data() && &forward < card.forwards.data() + card.forwards.size();
            for (auto const& other : card.forwards)
                if (&other != &forward && other.protocol == forward.protocol && (other.port == forward.port || (own && other.guest_port == forward.guest_port)))
                    return bad_usage("{} port {} is forwarded twice", forward.protocol_name(), other.port == forward.port ? forward.port : forward.guest_port);
        }
    return {};
}

// Networks lie in 10.78.0.0/16, which nothing else here uses; each gets the service of the guests on it.
Or<NetworkTables> network_tables(Plan const& plan, abi::ManifestHeader& header)
{
    NetworkTables tables;
    auto& counts = header.counts;
    std::vector<std::optional<u32>> services(plan.networks.size());
    for (u32 number = 0; number < plan.guests.size(); number++) {
        GuestPlan const& guest = plan.guests[number];
        for (u32 i = 0; i < guest.cards.size(); i++) {
            CardPlan const& card = guest.cards[i];
            auto const network = std::ranges::find(plan.networks, card.network, &NetworkPlan::name);
            if (network == plan.networks.end())
                return bad_usage("guest {}: card {} wants network {}, which is not described", guest.name, i, card.network);
            auto& service = services[static_cast<usize>(network - plan.networks.begin())];
            if (service.value_or(guest.service) != guest.service)
                return bad_usage("network {}: guest {} belongs to another service than the guests before; a network is one service's", card.network, guest.name);
            service = guest.service;
            abi::ManifestCard entry{};
            entry.guest   = number;
            entry.network = static_cast<u32>(network - plan.networks.begin());
            std::ranges::copy(card.address.value_or(usual_address(guest.name, i)), entry.address);
            entry.mtu     = card.mtu;
            entry.options = card.any_source ? static_cast<u32>(abi::CardOption::any_source) : 0;
            if (card.forwards.size() > abi::max_forwards)
                return bad_usage("guest {}: card {} has {} forwards; {} are possible", guest.name, i, card.forwards.size(), abi::max_forwards);
            if (!card.forwards.empty() && network->mode != abi::NetworkMode::nat)
                return bad_usage("guest {}: card {} has forwards, and network {} is not in mode nat", guest.name, i, card.network);
            for (usize f = 0; f < card.forwards.size(); f++) {
                ForwardPlan const& forward = card.forwards[f];
                entry.forwards[f] = {forward.port, forward.guest_port, forward.protocol};
                TRY(check_forward(plan, forward));
            }
            append(tables.cards, entry);
            counts.cards++;
        }
    }
    for (u32 i = 0; i < plan.networks.size(); i++) {
        NetworkPlan const& network = plan.networks[i];
        abi::ManifestNetwork entry{};
        TRY(check_network_name(network.name));
        put_text(entry.name, network.name);
        if (std::ranges::count(plan.networks, network.name, &NetworkPlan::name) > 1)
            return bad_usage("network {} is described twice", network.name);
        if (network.mode == abi::NetworkMode::bridge && std::ranges::count(plan.networks, network.mode, &NetworkPlan::mode) > 1)
            return bad_usage("network {}: there are two in mode bridge, and the machine has one network card", network.name);
        entry.mode    = network.mode;
        entry.service = services[i].value_or(0);
        entry.subnet  = static_cast<u32>(0x0a4e'0000u + (i << 8));
        append(tables.networks, entry);
        counts.networks++;
    }
    return tables;
}

} // namespace

Or<Manifest> make_manifest(Plan const& plan)
{
    Manifest manifest;
    manifest.drives = TRY(drives_for(all_disks(plan)));
    std::vector<u8> guests, disks;
    std::string text;
    u32 number = 0;
    for (GuestPlan const& guest : plan.guests) {
        abi::ManifestGuest entry{};
        put_text(entry.name, guest.name);
        entry.memory       = guest.memory;
        entry.service      = guest.service;
        entry.kernel       = TRY(file_index(manifest.files, guest.kernel, guest.service));
        entry.initrd       = guest.initrd ? TRY(file_index(manifest.files, *guest.initrd, guest.service)) : abi::no_file;
        entry.command_line = static_cast<u32>(text.size());
        entry.cpu          = guest.cpu;
        entry.weight       = guest.weight;
        entry.policy       = guest.policy;
        entry.options      = guest.attached ? static_cast<u32>(abi::GuestOption::attached) : 0;
        append(guests, entry);
        text += guest.command_line;
        text += '\0';
        for (DiskPlan const& disk : guest.disks)
            append(disks, TRY(disk_entry(manifest, disk, number, guest)));
        number++;
    }

    std::vector<u8> body;
    for (PlannedFile const& file : manifest.files) {
        abi::ManifestFile entry{};
        put_text(entry.name, file.name);
        entry.service = file.services;
        entry.size    = file.size;
        append(body, entry);
    }
    for (ServicePlan const& service : plan.services) {
        abi::ManifestService entry{};
        put_text(entry.name, service.name);
        entry.memory       = service.memory;
        entry.owns_devices = service.owns_devices ? 1 : 0;
        append(body, entry);
    }
    body.insert(body.end(), guests.begin(), guests.end());
    body.insert(body.end(), disks.begin(), disks.end());

    abi::ManifestHeader header{};
    auto const tables = TRY(network_tables(plan, header));
    for (auto const* table : {&tables.networks, &tables.cards})
        body.insert(body.end(), table->begin(), table->end());
    header.magic         = abi::manifest_magic;
    header.version       = abi::manifest_version;
    header.size          = static_cast<u32>(sizeof header + body.size() + text.size());
    header.options       = plan.options;
    header.file_count    = static_cast<u32>(manifest.files.size());
    header.service_count = static_cast<u32>(plan.services.size());
    header.guest_count   = static_cast<u32>(plan.guests.size());
    header.disk_count    = static_cast<u32>(all_disks(plan).size());
    header.text_offset   = static_cast<u32>(sizeof header + body.size());
    header.text_size     = static_cast<u32>(text.size());

    append(manifest.bytes, header);
    manifest.bytes.insert(manifest.bytes.end(), body.begin(), body.end());
    manifest.bytes.insert(manifest.bytes.end(), text.begin(), text.end());
    constexpr usize checked_from = offsetof(abi::ManifestHeader, checksum) + sizeof header.checksum;
    header.checksum = crc32(std::span{manifest.bytes}.subspan(checked_from));
    std::memcpy(manifest.bytes.data(), &header, sizeof header);

    // The same reader as in the machine has the last word.
    auto const read = ManifestReader::parse(manifest.bytes);
    if (!read)
        return bad_usage("this cannot be put into a manifest: {} {}", describe(read.error().error),
                         read.error().index == abi::no_file ? 0 : read.error().index);
    return manifest;
}

} // namespace kennel::tool
