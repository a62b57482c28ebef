// SPDX-License-Identifier: Apache-2.0
//
// See facts.hpp.
#include "tests/bench/report/facts.hpp"
#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <format>
#include <fstream>
#include <print>
#include <sstream>

namespace kennel::bench {

namespace {

template<class Number> bool parse(std::string const& text, Number& number)
{
    char const* const end = text.data() + text.size();
    auto const [rest, error] = std::from_chars(text.data(), end, number);
    return error == std::errc{} && rest == end;
}

// libc++ 19 has no from_chars for floating point.
bool parse(std::string const& text, double& number)
{
    char* end = nullptr;
    number = std::strtod(text.c_str(), &end);
    return end != text.c_str() && *end == 0;
}

} // namespace

void give_up(std::string const& why)
{
    std::println(stderr, "bench: {}", why);
    std::exit(2);
}

Facts Facts::read(std::filesystem::path const& path)
{
    std::ifstream stream{path};
    if (!stream)
        give_up(std::format("{}: cannot be read", path.string()));
    Facts facts;
    std::string line;
    for (int number = 1; std::getline(stream, line); number++) {
        Fact fact;
        std::string minimum, median, exits, more;
        std::istringstream words{line};
        words >> fact.group >> fact.name >> fact.side >> minimum >> median >> exits;
        double each = 0;
        if (exits.empty() || words >> more || !parse(minimum, fact.minimum) || !parse(median, fact.median) || (exits != "-" && !parse(exits, each)))
            give_up(std::format("{}:{}: expected GROUP NAME SIDE MINIMUM MEDIAN EXITS, got '{}'", path.string(), number, line));
        if (exits != "-")
            fact.exits = each;
        facts.facts_.push_back(std::move(fact));
    }
    return facts;
}

Fact const* Facts::find(std::string const& group, std::string const& name, std::string const& side) const
{
    auto const fact = std::ranges::find_if(facts_, [&](Fact const& f) { return f.group == group && f.name == name && f.side == side; });
    return fact == facts_.end() ? nullptr : &*fact;
}

} // namespace kennel::bench
