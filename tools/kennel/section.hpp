// SPDX-License-Identifier: Apache-2.0
//
// One table of a TOML file, read by a schema: every key that is unknown, of the wrong type or out of bounds becomes a Problem
// with its place, and reading goes on, so that a user hears of all mistakes at once.
#pragma once
#include "tools/kennel/file.hpp"
#include "tools/kennel/problem.hpp"
#include <optional>
#include <span>
#include <toml++/toml.h>

namespace kennel::tool {

// A key of the schema, as the code checks it and as docs/configuration.md describes it.
struct Key {
    std::string_view name;
    std::string_view kind;        // text, size, number, yes or no, a list of words
    std::string_view fallback;    // what holds without it; "needed" where there is no such thing
    std::string_view meaning;
};

class Section {
public:
    // Reports what the schema does not know.
    Section(toml::table const& table, std::string name, std::span<Key const> keys, Problems& problems);

    bool  has(std::string_view key) const { return table_->contains(key); }
    bool  is_empty_list(std::string_view key) const;
    Place place() const;
    Place place(std::string_view key) const;                 // of the key's value; of the table where there is none
    void  fault(std::string_view key, std::string_view text) const;

    // None: the key is not there, or its value is wrong and that was reported.
    std::optional<std::string> text(std::string_view key) const;
    std::optional<fs::path>    path(std::string_view key, fs::path const& folder) const;   // relative to `folder`
    std::optional<u64>         number(std::string_view key, u64 least, u64 most) const;
    std::optional<u64>         size(std::string_view key) const;
    std::optional<bool>        yes(std::string_view key) const;
    std::optional<usize>       choice(std::string_view key, std::span<std::string_view const> allowed) const;

    // The tables of [[key]], and the table of [key].
    std::vector<Section>   list(std::string_view key, std::span<Key const> keys) const;
    std::optional<Section> table(std::string_view key, std::span<Key const> keys) const;

    void need(std::initializer_list<std::string_view> keys) const;   // reports those that are missing
    std::string const& name() const { return name_; }

private:
    void wrong_type(std::string_view key, toml::node const& node, std::string_view wanted) const;

    toml::table const* table_;
    std::string        name_;      // as messages call it
    Problems*          problems_;
    bool               inner_ = false;   // a table of a list: those inside it are named after it
};

} // namespace kennel::tool
