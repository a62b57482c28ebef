// SPDX-License-Identifier: Apache-2.0
//
// See configuration.hpp. The tables themselves are configuration_reader.hpp's.
#include "tools/kennel/configuration_reader.hpp"
#include "tools/kennel/schema.hpp"
#include "tools/kennel/size.hpp"
#include "tools/kennel/terminal.hpp"

namespace kennel::tool {

std::optional<Configuration> parse_configuration(std::string_view text, fs::path const& folder, Problems& problems)
{
    toml::table root;
    try {
        root = toml::parse(text);
    } catch (toml::parse_error const& error) {
        bool const bare_word = error.description().contains("could not determine value type");
        problems.add({error.source().begin.line, error.source().begin.column}, std::format("not TOML: {}{}", error.description(), bare_word ? "; a text is in quotes" : ""));
        return std::nullopt;
    }
    auto configuration = ConfigurationReader{Section{root, "the file", root_keys, problems}, folder, problems}.read();
    if (!problems.empty())
        return std::nullopt;
    return configuration;
}

std::optional<Configuration> read_configuration(fs::path const& path, Problems& problems)
{
    constexpr u64 largest = 1 << 20;         // bytes; a longer file is no configuration
    auto const bytes = read_file(path, largest);
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
        for (auto const& disk : guest.disks)
            if (u64 const size = disk.is_area() ? fs::file_size(disk.file, error) : 0; disk.is_area() && !error)
                files[{disk.file, guest.service}] = size;
    }
    for (auto const& [file, size] : files)
        least += size;
    return least;
}

} // namespace kennel::tool
