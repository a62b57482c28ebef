// SPDX-License-Identifier: Apache-2.0
//
// See section.hpp.
#include "tools/kennel/section.hpp"
#include "tools/kennel/schema.hpp"
#include "tools/kennel/size.hpp"
#include "tools/kennel/spelling.hpp"
#include <algorithm>

namespace kennel::tool {

namespace {

Place place_of(toml::source_region const& source) { return {source.begin.line, source.begin.column}; }

std::string_view describe(toml::node_type type)
{
    switch (type) {
    case toml::node_type::table:          return "a table";
    case toml::node_type::array:          return "a list";
    case toml::node_type::string:         return "a text";
    case toml::node_type::integer:        return "a number";
    case toml::node_type::floating_point: return "a fraction";
    case toml::node_type::boolean:        return "true or false";
    default:                              return "a date or time";
    }
}

// A key that stands in the wrong table: in TOML each belongs to the last one that was opened. Empty: no table has it.
std::string its_tables(std::string_view key)
{
    std::vector<std::string_view> tables;
    for (SchemaTable const& table : schema)
        if (!table.name.empty() && std::ranges::contains(table.keys, key, &Key::name))
            tables.push_back(table.name);
    return tables.empty() ? std::string{} : std::format("; it is a key of {}", one_of(tables));
}

// What may have been meant by a key that is not of this table.
std::string meant_by(std::string_view key, std::span<std::string_view const> names)
{
    auto const near = suggestion(key, names);
    auto const tables = near.empty() ? its_tables(key) : "";
    return near.empty() && tables.empty() ? "; allowed are " + one_of(names) : near + tables;
}

} // namespace

Section::Section(toml::table const& table, std::string name, std::span<Key const> keys, Problems& problems)
    : table_{&table}, name_{std::move(name)}, problems_{&problems}
{
    std::vector<std::string_view> names;
    for (Key const& key : keys)
        names.push_back(key.name);
    for (auto const& [key, value] : table) {
        auto const place = place_of(key.source());
        if (!std::ranges::contains(keys, key.str(), &Key::name))
            problems.add(place, std::format("{}: unknown key '{}'{}", name_, shortened(key.str()), meant_by(key.str(), names)));
    }
}

bool Section::is_empty_list(std::string_view key) const
{
    auto const* const array = table_->get_as<toml::array>(key);
    return array != nullptr && array->empty();
}

Place Section::place() const { return place_of(table_->source()); }

Place Section::place(std::string_view key) const
{
    auto const* const node = table_->get(key);
    return node != nullptr ? place_of(node->source()) : place();
}

void Section::fault(std::string_view key, std::string_view text) const
{
    problems_->add(place(key), std::format("{}: {}", name_, text));
}

void Section::wrong_type(std::string_view key, toml::node const& node, std::string_view wanted) const
{
    fault(key, std::format("'{}' is {}; {} is wanted", key, describe(node.type()), wanted));
}

std::optional<std::string> Section::text(std::string_view key) const
{
    auto const* const node = table_->get(key);
    if (node == nullptr)
        return std::nullopt;
    if (auto const* const value = node->as_string())
        return value->get();
    wrong_type(key, *node, std::format("a text, {} = \"...\",", key));
    return std::nullopt;
}

std::optional<fs::path> Section::path(std::string_view key, fs::path const& folder) const
{
    auto const name = text(key);
    if (!name)
        return std::nullopt;
    if (!name->empty() && !name->contains('\0'))
        return folder / *name;
    fault(key, std::format("'{}' names no file", key));
    return std::nullopt;
}

std::optional<u64> Section::number(std::string_view key, u64 least, u64 most) const
{
    auto const* const node = table_->get(key);
    if (node == nullptr)
        return std::nullopt;
    auto const* const value = node->as_integer();
    if (value == nullptr) {
        wrong_type(key, *node, std::format("a number from {} to {}", least, most));
        return std::nullopt;
    }
    std::int64_t const number = value->get();
    if (number >= 0 && static_cast<u64>(number) >= least && static_cast<u64>(number) <= most)
        return static_cast<u64>(number);
    fault(key, std::format("'{}' is {}; {} to {} are possible", key, number, least, most));
    return std::nullopt;
}

std::optional<u64> Section::size(std::string_view key) const
{
    auto const* const node = table_->get(key);
    if (node == nullptr)
        return std::nullopt;
    auto const* const value = node->as_string();
    if (value == nullptr) {
        wrong_type(key, *node, std::format("a size as a text with its unit, {} = \"128m\",", key));
        return std::nullopt;
    }
    auto const size = parse_size(value->get());
    if (size)
        return *size;
    fault(key, std::format("'{}': {}", key, size.error().text));
    return std::nullopt;
}

std::optional<bool> Section::yes(std::string_view key) const
{
    auto const* const node = table_->get(key);
    if (node == nullptr)
        return std::nullopt;
    if (auto const* const value = node->as_boolean())
        return value->get();
    wrong_type(key, *node, "true or false, without quotes,");
    return std::nullopt;
}

std::optional<usize> Section::choice(std::string_view key, std::span<std::string_view const> allowed) const
{
    auto const word = text(key);
    if (!word)
        return std::nullopt;
    auto const found = std::ranges::find(allowed, std::string_view{*word});
    if (found != allowed.end())
        return static_cast<usize>(found - allowed.begin());
    fault(key, std::format("'{}' is '{}'; {} is possible{}", key, shortened(*word), one_of(allowed), suggestion(*word, allowed)));
    return std::nullopt;
}

std::vector<Section> Section::list(std::string_view key, std::span<Key const> keys) const
{
    std::vector<Section> sections;
    auto const* const node = table_->get(key);
    if (node == nullptr)
        return sections;
    auto const* const array = node->as_array();
    if (array == nullptr) {
        wrong_type(key, *node, std::format("a table for each, [[{}]],", key));
        return sections;
    }
    for (toml::node const& entry : *array) {
        auto const* const table = entry.as_table();
        if (table == nullptr) {
            problems_->add(place_of(entry.source()), std::format("{}: '{}' holds {}; tables are wanted", name_, key, describe(entry.type())));
            continue;
        }
        auto const* const title = table->get_as<std::string>("name");
        sections.emplace_back(*table, std::format("{}{} {}", inner_ ? name_ + ": " : "", key, title != nullptr ? shortened(title->get()) : std::to_string(sections.size() + 1)),
                              keys, *problems_);
        sections.back().inner_ = true;
    }
    return sections;
}

std::optional<Section> Section::table(std::string_view key, std::span<Key const> keys) const
{
    auto const* const node = table_->get(key);
    if (node == nullptr)
        return std::nullopt;
    if (auto const* const table = node->as_table())
        return Section{*table, std::string{key}, keys, *problems_};
    wrong_type(key, *node, std::format("a table, [{}],", key));
    return std::nullopt;
}

void Section::need(std::initializer_list<std::string_view> keys) const
{
    for (auto const key : keys)
        if (!has(key))
            problems_->add(place(), std::format("{}: '{}' is missing", name_, key));
}

} // namespace kennel::tool
