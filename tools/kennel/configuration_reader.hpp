// SPDX-License-Identifier: Apache-2.0
//
// From a configuration's tables to a Configuration: one function for each table, which reports what is wrong and goes on.
#pragma once
#include "tools/kennel/configuration.hpp"
#include "tools/kennel/spelling.hpp"
#include <algorithm>
#include <map>

namespace kennel::tool {

// What must be unique, with the place of the first.
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

class ConfigurationReader {
public:
    ConfigurationReader(Section root, fs::path folder, Problems& problems) : root_{std::move(root)}, folder_{std::move(folder)}, problems_{problems} {}

    Configuration read();

private:
    // configuration_reader.cpp
    void read_machine(Section const& machine);
    void read_services();
    void read_guests();
    void read_guest(Section const& section);
    void read_files(Section const& section, GuestPlan& guest);
    void add_up();

    // configuration_devices.cpp
    void read_disks(Section const& section, GuestPlan& guest);
    void read_disk(Section const& section, GuestPlan& guest);
    void read_networks();
    void read_cards(Section const& section, GuestPlan& guest);
    void read_card(Section const& section, GuestPlan& guest);
    void read_forwards(Section const& section, std::string const& words, NetworkPlan const* network, CardPlan& card);
    NetworkPlan const* network_of(Section const& section, GuestPlan const& guest);

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

// The tables of [[key]], of which `most` are possible.
std::vector<Section> tables(Section const& section, std::string_view key, std::span<Key const> keys, usize most);

// Which of `list` the key names; its name is that of what is in the list. None: it is not there, or wrong and that was reported.
template <class List> std::optional<usize> named(Section const& section, std::string_view key, List const& list)
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
inline void report(Section const& section, std::string_view key, Or<void> const& checked)
{
    if (!checked)
        section.fault(key, checked.error().text);
}

} // namespace kennel::tool
