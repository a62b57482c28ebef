// SPDX-License-Identifier: Apache-2.0
//
// See usage.hpp. An option or a verb whose group is empty is for tests, and is never proposed.
#include "tools/kennel/usage.hpp"
#include "tools/kennel/spelling.hpp"
#include <algorithm>
#include <format>

namespace kennel::tool {

namespace {

std::vector<std::string> shown_verbs(CLI::App const& program)
{
    std::vector<std::string> names;
    for (auto const* verb : program.get_subcommands([](CLI::App const* verb) { return !verb->get_group().empty(); }))
        names.push_back(verb->get_name());
    return names;
}

std::vector<std::string> shown_options(CLI::App const& verb)
{
    std::vector<std::string> names;
    for (auto const* option : verb.get_options([](CLI::Option const* option) { return !option->get_group().empty() && option->nonpositional(); }))
        for (auto const& name : option->get_lnames())
            names.push_back("--" + name);
    return names;
}

std::string verb_fault(CLI::App const& program, std::string const& word)
{
    auto const names = shown_verbs(program);
    std::vector<std::string_view> const shown{names.begin(), names.end()};
    auto const guess = suggestion(word, shown);
    return std::format("there is no verb '{}'{}", shortened(word), guess.empty() ? ": " + one_of(shown) + " are possible" : guess);
}

std::string value_missing(CLI::Option const& option)
{
    auto const name = option.get_name();
    return std::format("{}={} is wanted, and nothing is behind {}", name, option.get_type_name(), name);
}

// A word that is no option, or one that nothing was made for.
std::string extra_fault(CLI::App const& verb, std::string const& word)
{
    if (!word.starts_with('-'))
        return std::format("'{}' is one word too many", shortened(word));
    auto const names = shown_options(verb);
    std::vector<std::string_view> const shown{names.begin(), names.end()};
    auto const option = word.substr(0, word.find('='));
    return std::format("there is no option {}{}", shortened(option), suggestion(option, shown));
}

// "Could not convert: --interval = x"
std::string conversion_fault(CLI::App const& verb, std::string const& what)
{
    auto const colon = what.find(": "), equals = what.find(" = ");
    if (colon == what.npos || equals == what.npos || equals < colon)
        return what;
    auto const name = what.substr(colon + 2, equals - colon - 2);
    auto const* const option = verb.get_option_no_throw(name);
    bool const flag = option != nullptr && option->get_items_expected_max() == 0;
    return std::format("{}={}: {}", name, shortened(what.substr(equals + 3)), flag ? "it takes no value" : "a whole number is wanted, and not too large a one");
}

} // namespace

std::string words_fault(CLI::App const& program, std::vector<std::string> const& words)
{
    if (words.empty()) {
        auto const names = shown_verbs(program);
        return std::format("a verb is missing: {}", one_of(std::vector<std::string_view>{names.begin(), names.end()}));
    }
    if (words[0].starts_with('-'))
        return {};
    auto const verbs = program.get_subcommands([&](CLI::App const* verb) { return verb->get_name() == words[0]; });
    if (verbs.empty())
        return verb_fault(program, words[0]);
    for (auto const& word : words)
        if (word.starts_with("--") && word.ends_with('='))
            if (auto const* const option = verbs[0]->get_option_no_throw(word.substr(0, word.size() - 1)))
                return value_missing(*option);
    return {};
}

std::string parse_fault(CLI::App const& program, CLI::ParseError const& error)
{
    auto const chosen = program.get_subcommands();
    CLI::App const& verb = chosen.empty() ? program : *chosen.front();
    std::string const what = error.what();
    if (dynamic_cast<CLI::ExtrasError const*>(&error) != nullptr)
        if (auto const extras = verb.remaining(); !extras.empty())
            return extra_fault(verb, extras.front());
    if (dynamic_cast<CLI::ArgumentMismatch const*>(&error) != nullptr)
        if (auto const* const option = verb.get_option_no_throw(what.substr(0, what.find(':'))))
            return value_missing(*option);
    if (dynamic_cast<CLI::ConversionError const*>(&error) != nullptr)
        return conversion_fault(verb, what);
    return what;
}

} // namespace kennel::tool
