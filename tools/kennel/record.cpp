// SPDX-License-Identifier: Apache-2.0
//
// See record.hpp.
#include "tools/kennel/record.hpp"
#include <algorithm>
#include <charconv>
#include <sstream>

namespace kennel::tool {

Record Record::parse(std::string_view line)
{
    Record record;
    std::istringstream words{std::string{line}};
    words >> record.kind;
    for (std::string word; words >> word;)
        if (auto const equals = word.find('='); equals != word.npos)
            record.words.emplace_back(word.substr(0, equals), word.substr(equals + 1));
    return record;
}

std::string Record::text(std::string_view key) const
{
    auto const found = std::ranges::find(words, key, [](auto const& word) { return std::string_view{word.first}; });
    return found == words.end() ? "" : found->second;
}

u64 Record::number(std::string_view key) const
{
    auto const value = text(key);
    u64 number = 0;
    auto const [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    return error == std::errc{} && end == value.data() + value.size() ? number : 0;
}

std::string Record::identity() const { return kind + ' ' + text("name") + ' ' + text("disk") + ' ' + text("card"); }

} // namespace kennel::tool
