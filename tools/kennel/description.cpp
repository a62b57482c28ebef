// SPDX-License-Identifier: Apache-2.0
//
// See description.hpp.
#include "tools/kennel/description.hpp"
#include "tools/kennel/command_line.hpp"
#include "tools/kennel/size.hpp"
#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

namespace kennel::tool {

namespace {

using Json = nlohmann::json;

// One object of the file; `where` says which in messages.
class Entry {
public:
    static Or<Entry> open(Json const& json, std::string where, std::initializer_list<std::string_view> keys)
    {
        if (!json.is_object())
            return bad_usage("{}: an object is wanted", where);
        for (auto const& [key, value] : json.items())
            if (std::ranges::find(keys, std::string_view{key}) == keys.end())
                return bad_usage("{}: unknown key \"{}\"", where, key);
        return Entry{json, std::move(where)};
    }

    bool has(char const* key) const { return json_->contains(key); }

    Or<std::string> text(char const* key) const
    {
        if (!has(key) || !json_->at(key).is_string())
            return bad_usage("{}: \"{}\" must be given as a text", where_, key);
        return json_->at(key).get<std::string>();
    }

    Or<u32> number(char const* key) const
    {
        if (!json_->at(key).is_number_unsigned() || json_->at(key).get<u64>() > 0xffff'ffff)
            return bad_usage("{}: \"{}\" must be a number from 0", where_, key);
        return json_->at(key).get<u32>();
    }

    Or<bool> yes(char const* key) const
    {
        if (!json_->at(key).is_boolean())
            return bad_usage("{}: \"{}\" must be true or false", where_, key);
        return json_->at(key).get<bool>();
    }

    Or<u64> size(char const* key) const
    {
        auto const size = TRY(text(key));
        return parse_size(size);
    }

private:
    Entry(Json const& json, std::string where) : json_{&json}, where_{std::move(where)} {}
    Json const* json_;
    std::string where_;
};

Or<ServicePlan> service_from(Json const& json, std::string const& where, bool first)
{
    auto const entry = TRY(Entry::open(json, where, {"name", "memory", "owns_devices"}));
    ServicePlan service{.name = first ? "service" : "service2", .memory = 0, .owns_devices = first};
    if (entry.has("name"))
        service.name = TRY(entry.text("name"));
    if (entry.has("memory"))
        service.memory = TRY(entry.size("memory"));
    if (entry.has("owns_devices"))
        service.owns_devices = TRY(entry.yes("owns_devices"));
    return service;
}

Or<Json> list_in(Json const& root, char const* key, std::string_view name)
{
    if (!root.contains(key))
        return Json::array();
    if (!root.at(key).is_array())
        return bad_usage("{}: \"{}\" must be a list", name, key);
    return root.at(key);
}

Or<DiskPlan> disk_from(Json const& json, std::string const& where, fs::path const& folder)
{
    auto const entry = TRY(Entry::open(json, where, {"file", "ram", "pmem", "size", "read_only", "overlay", "write_through", "partition", "partuuid", "serial"}));
    DiskPlan disk;
    if (entry.has("ram") && TRY(entry.yes("ram")))
        disk.kind = abi::MediumKind::module;
    if (entry.has("size")) {
        if (entry.has("file"))
            return bad_usage("{}: either \"file\" or \"size\", that of a blank RAM disk, can be given, not both", where);
        disk.kind = abi::MediumKind::memory;
        disk.bytes = TRY(entry.size("size"));
        disk.serial = "ram";
    } else {
        disk.file = folder / TRY(entry.text("file"));
    }
    if (entry.has("read_only"))
        disk.read_only = TRY(entry.yes("read_only"));
    if (entry.has("pmem")) {
        auto const way = std::ranges::find(pmem_names, TRY(entry.text("pmem")));
        if (way == std::end(pmem_names) || disk.kind != abi::MediumKind::drive)
            return bad_usage("{}: \"pmem\" must be \"eager\" or \"lazy\", without \"ram\" and \"size\"", where);
        disk.become_area(static_cast<usize>(way - std::begin(pmem_names)));
    }
    if (entry.has("overlay"))
        disk.overlay = TRY(entry.size("overlay"));
    if (entry.has("write_through"))
        disk.write_through = TRY(entry.yes("write_through"));
    if (entry.has("partition"))
        disk.label = TRY(entry.text("partition"));
    if (entry.has("partuuid")) {
        auto const text = TRY(entry.text("partuuid"));
        disk.uuid = TRY(parse_uuid(text));
    }
    if (entry.has("serial"))
        disk.serial = TRY(entry.text("serial"));
    return disk;
}

Or<NetworkPlan> network_from(Json const& json, std::string const& where)
{
    auto const entry = TRY(Entry::open(json, where, {"name", "mode"}));
    NetworkPlan network;
    network.name = TRY(entry.text("name"));
    if (entry.has("mode")) {
        auto const mode = TRY(entry.text("mode"));
        network.mode = TRY(parse_mode(mode));
    }
    return network;
}

Or<CardPlan> card_from(Json const& json, std::string const& where)
{
    auto const entry = TRY(Entry::open(json, where, {"network", "address", "mtu", "any_source", "forwards"}));
    CardPlan card;
    card.network = TRY(entry.text("network"));
    if (entry.has("address")) {
        auto const address = TRY(entry.text("address"));
        card.address = TRY(parse_hardware_address(address));
    }
    if (entry.has("mtu")) {
        u32 const mtu = TRY(entry.number("mtu"));
        if (mtu < 68 || mtu > 9000)
            return bad_usage("{}: \"mtu\" must be from 68 to 9000", where);
        card.mtu = static_cast<u16>(mtu);
    }
    if (entry.has("any_source"))
        card.any_source = TRY(entry.yes("any_source"));
    for (auto const& forward : TRY(list_in(json, "forwards", where))) {
        if (!forward.is_string())
            return bad_usage("{}: a forward is a text such as \"tcp:2222:22\"", where);
        card.forwards.push_back(TRY(parse_forward(forward.get<std::string>())));
    }
    return card;
}

Or<GuestPlan> guest_from(Json const& json, std::string const& where, fs::path const& folder)
{
    auto const entry = TRY(Entry::open(json, where, {"name", "memory", "kernel", "initrd", "arguments", "service", "cpu", "weight", "policy", "attached", "disks", "cards"}));
    GuestPlan guest;
    guest.name = TRY(entry.text("name"));
    guest.memory = TRY(entry.size("memory"));
    guest.kernel = folder / TRY(entry.text("kernel"));
    if (entry.has("initrd"))
        guest.initrd = folder / TRY(entry.text("initrd"));
    std::vector<std::string> words;
    if (entry.has("arguments")) {
        std::istringstream stream{TRY(entry.text("arguments"))};
        for (std::string word; stream >> word;)
            words.push_back(word);
    }
    guest.command_line = TRY(guest_command_line(words));
    if (entry.has("service"))
        guest.service = TRY(entry.number("service"));
    if (entry.has("cpu"))
        guest.cpu = TRY(entry.number("cpu"));
    if (entry.has("weight"))
        guest.weight = TRY(entry.number("weight"));
    if (entry.has("policy")) {
        auto const policy = TRY(entry.text("policy"));
        guest.policy = TRY(parse_policy(policy));
    }
    if (entry.has("attached"))
        guest.attached = TRY(entry.yes("attached"));
    for (auto const& disk : TRY(list_in(json, "disks", where)))
        guest.disks.push_back(TRY(disk_from(disk, std::format("{}: disk {}", where, guest.disks.size()), folder)));
    for (auto const& card : TRY(list_in(json, "cards", where)))
        guest.cards.push_back(TRY(card_from(card, std::format("{}: card {}", where, guest.cards.size()))));
    return guest;
}

Or<u32> option_from(Json const& json, std::string_view name)
{
    std::string const text = json.is_string() ? json.get<std::string>() : json.dump();
    if (text == "trust_guests")   return static_cast<u32>(abi::MachineOption::trust_guests);
    if (text == "verbose")        return static_cast<u32>(abi::MachineOption::verbose);
    if (text == "log_on_console") return static_cast<u32>(abi::MachineOption::log_on_console);
    return bad_usage("{}: unknown option {}: trust_guests, verbose or log_on_console", name, text);
}

} // namespace

Or<Plan> parse_description(std::string_view text, std::string_view name, fs::path const& folder)
{
    auto const root = Json::parse(text, nullptr, false);
    if (root.is_discarded())
        return bad_usage("{}: not a JSON file", name);
    TRY(Entry::open(root, std::string{name}, {"services", "networks", "guests", "options"}));

    Plan plan;
    for (auto const& json : TRY(list_in(root, "services", name)))
        plan.services.push_back(TRY(service_from(json, std::format("{}: service {}", name, plan.services.size()), plan.services.empty())));
    if (plan.services.empty())
        plan.services.emplace_back();
    for (auto const& json : TRY(list_in(root, "networks", name)))
        plan.networks.push_back(TRY(network_from(json, std::format("{}: network {}", name, plan.networks.size()))));
    for (auto const& json : TRY(list_in(root, "guests", name)))
        plan.guests.push_back(TRY(guest_from(json, std::format("{}: guest {}", name, plan.guests.size()), folder)));
    if (!plan.guests.empty() && std::ranges::none_of(plan.guests, &GuestPlan::attached))
        plan.guests.front().attached = true;
    for (auto const& json : TRY(list_in(root, "options", name)))
        plan.options |= TRY(option_from(json, name));
    return plan;
}

Or<Plan> read_description(fs::path const& path)
{
    auto const bytes = TRY(read_file(path));
    return parse_description({reinterpret_cast<char const*>(bytes.data()), bytes.size()}, path.string(), path.parent_path());
}

} // namespace kennel::tool
