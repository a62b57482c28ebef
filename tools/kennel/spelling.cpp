// SPDX-License-Identifier: Apache-2.0
//
// See spelling.hpp.
#include "tools/kennel/spelling.hpp"
#include <algorithm>
#include <cctype>
#include <format>
#include <vector>

namespace kennel::tool {

namespace {

constexpr std::size_t longest = 64;   // letters; a longer word is no slip of a key

// How many letters must be put in, left out, changed or swapped with their neighbour to make one word of the other.
std::size_t distance(std::string_view a, std::string_view b)
{
    auto const same = [](char x, char y) { return std::tolower(static_cast<unsigned char>(x)) == std::tolower(static_cast<unsigned char>(y)); };
    std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); j++)
        last[j] = j;
    for (std::size_t i = 1; i <= a.size(); i++) {
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); j++) {
            row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (same(a[i - 1], b[j - 1]) ? 0 : 1)});
            if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]))
                row[j] = std::min(row[j], before[j - 2] + 1);
        }
        before.swap(last);
        last.swap(row);
    }
    return last[b.size()];
}

} // namespace

std::string shortened(std::string_view word)
{
    return word.size() <= longest ? std::string{word} : std::format("{}...", word.substr(0, longest));
}

std::string_view nearest(std::string_view word, std::span<std::string_view const> allowed)
{
    if (word.empty() || word.size() > longest)
        return {};
    std::string_view best;
    std::size_t least = 0;
    for (std::string_view const candidate : allowed) {
        auto const changes = distance(word, candidate);
        if (changes <= std::max<std::size_t>(1, std::max(word.size(), candidate.size()) / 3) && (best.empty() || changes < least)) {
            best = candidate;
            least = changes;
        }
    }
    return best;
}

std::string suggestion(std::string_view word, std::span<std::string_view const> allowed)
{
    auto const guess = nearest(word, allowed);
    return guess.empty() ? std::string{} : std::format("; did you mean '{}'?", guess);
}

std::string one_of(std::span<std::string_view const> allowed)
{
    std::string text;
    for (std::size_t i = 0; i < allowed.size(); i++) {
        text += i == 0 ? "" : i + 1 == allowed.size() ? " or " : ", ";
        text += allowed[i];
    }
    return text;
}

} // namespace kennel::tool
