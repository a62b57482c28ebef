// SPDX-License-Identifier: Apache-2.0
//
// See problem.hpp.
#include "tools/kennel/problem.hpp"
#include <algorithm>
#include <nlohmann/json.hpp>

namespace kennel::tool {

namespace {

constexpr usize longest_text = 400;   // a wrong value may be a whole book

} // namespace

void Problems::add(Place place, std::string text)
{
    std::ranges::replace_if(text, [](char c) { return (c >= 0 && c < ' ') || c == 0x7f; }, '?');
    if (text.size() > longest_text)
        text = text.substr(0, longest_text) + " ...";
    list_.push_back({place, std::move(text)});
}

std::vector<Problem> Problems::sorted() const
{
    auto list = list_;
    std::ranges::stable_sort(list, {}, &Problem::place);
    return list;
}

std::vector<std::string> Problems::lines() const
{
    std::vector<std::string> lines;
    for (auto const& [place, text] : sorted())
        lines.push_back(place.line == 0 ? std::format("{}: {}", file_, text)
                                        : std::format("{}:{}:{}: {}", file_, place.line, place.column, text));
    return lines;
}

std::string Problems::json() const
{
    auto list = nlohmann::json::array();
    for (auto const& [place, text] : sorted())
        list.push_back({{"line", place.line}, {"column", place.column}, {"text", text}});
    nlohmann::json const all{{"file", file_}, {"ok", list_.empty()}, {"problems", list}};
    return all.dump(2, ' ', false, nlohmann::json::error_handler_t::replace);   // a file's name need not be UTF-8
}

} // namespace kennel::tool
