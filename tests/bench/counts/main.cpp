// SPDX-License-Identifier: Apache-2.0
//
// bench_counts: what the emulator counted, put beside what a measuring program printed.
//   facts FOLDER GROUP SIDE         one line for each line BENCH or REQUEST of FOLDER/console: GROUP NAME SIDE MINIMUM MEDIAN EXITS
//   boot FOLDER SIDE FROM TO        the same for a Linux that started: instructions and exits from mark FROM (`start`: from its first exit
//                                   in long mode) to mark TO
//   profile FOLDER FROM TO COUNT    a table: where exits and instructions went between two marks, for each of COUNT operations; FROM may
//                                   be `start`: of the machine
//   turns CONSOLE SIDE              the partition switch, from the lines TURN of two guests
#include "tests/bench/counts/counts.hpp"
#include <algorithm>
#include <charconv>
#include <format>
#include <fstream>
#include <print>
#include <sstream>

namespace {

using namespace kennel::bench;

u64 number(std::string const& word)
{
    u64 value = 0;
    auto const [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error != std::errc{} || end != word.data() + word.size())
        give_up(std::format("'{}' is no number", word));
    return value;
}

// The words after KIND of each line that begins with it; a console may put carriage returns and other things before.
std::vector<std::vector<std::string>> lines_of(std::filesystem::path const& path, std::string const& kind)
{
    std::ifstream stream{path};
    if (!stream)
        give_up(std::format("{}: cannot be read", path.string()));
    std::vector<std::vector<std::string>> found;
    for (std::string line; std::getline(stream, line);) {
        auto const at = line.find(kind + " ");
        if (at == line.npos)
            continue;
        std::istringstream stream_of_words{line.substr(at + kind.size())};
        found.emplace_back();
        for (std::string word; stream_of_words >> word;)
            found.back().push_back(word);
    }
    return found;
}

double per(u64 value, u64 count) { return count ? static_cast<double>(value) / static_cast<double>(count) : 0; }

// Several runs append to one console (a client beside another): each mark is the last of its number.
void facts(std::filesystem::path const& folder, std::string const& group, std::string const& side)
{
    auto const counts = Counts::read(folder / "counts");
    for (auto const& words : lines_of(folder / "console", "BENCH")) {
        if (words.size() != 5)
            give_up(std::format("{}: a BENCH line has {} words", folder.string(), words.size()));
        u64 const rounds = number(words[3]), mark = number(words[4]);
        auto const stretch = counts.at(mark + 1) - counts.at(mark);
        std::println("{} {} {} {} {} {:.2f}", group, words[0], side, words[1], words[2], per(stretch.exits, rounds));
    }
    for (auto const& words : lines_of(folder / "console", "REQUEST")) {
        if (words.size() != 6)
            give_up(std::format("{}: a REQUEST line has {} words", folder.string(), words.size()));
        u64 const rounds = number(words[3]), operations = number(words[4]), mark = number(words[5]);
        auto const stretch = counts.at(mark + 1) - counts.at(mark);
        std::println("{} {} {} {} {} {:.2f}", group, words[0], side, number(words[1]) / operations, number(words[2]) / operations,
                     per(stretch.exits, rounds * operations));
    }
}

void boot(std::filesystem::path const& folder, std::string const& side, std::string const& from, u64 to)
{
    auto const counts = Counts::read(folder / "counts");
    Snapshot const& end = counts.at(to);
    u64 instructions = 0, exits = 0;
    if (from == "start") {
        Start const& start = counts.start_before(to);
        instructions = start.instructions;
        exits = start.exits;
    } else {
        Snapshot const& start = counts.at(number(from));
        instructions = start.instructions;
        exits = start.exits();
    }
    std::println("boot to-first-program {} {} {} {}", side, end.instructions - instructions, end.instructions - instructions, end.exits() - exits);
}

void profile(std::filesystem::path const& folder, std::string const& from, u64 to, u64 count)
{
    auto const counts = Counts::read(folder / "counts");
    auto const stretch = counts.at(to) - (from == "start" ? Snapshot{} : counts.at(number(from)));
    std::println("{:<34}{:>14}{:>16}{:>12}", "", "exits", "instructions", "each");
    for (auto const& [vpid, partition] : stretch.partitions) {
        if (partition.instructions)
            std::println("{:<34}{:>14}{:>16.1f}", std::format("partition {} itself", vpid), "", per(partition.instructions, count));
        std::vector<std::pair<u64, Exits>> rows;
        for (auto const& [reason, exits] : partition.exits)
            if (exits.count || exits.root_instructions)
                rows.emplace_back(reason, exits);
        std::ranges::sort(rows, std::greater{}, [](auto const& row) { return row.second.root_instructions; });
        for (auto const& [reason, exits] : rows)
            std::println("{:<34}{:>14.2f}{:>16.1f}{:>12.0f}", std::format("  outside, after {}", name_of_reason(reason)), per(exits.count, count),
                         per(exits.root_instructions, count), per(exits.root_instructions, exits.count));
    }
    std::println("{:<34}{:>14.2f}{:>16.1f}   of them outside all partitions {:.1f}; ticks {:.1f}", "all", per(stretch.exits, count),
                 per(stretch.instructions, count), per(stretch.root_instructions, count), per(stretch.ticks, count));
}

// From one guest's last tick to the first of the other that went on next: from both sides, and all turns.
void turns(std::filesystem::path const& console, std::string const& side)
{
    struct Gap { u64 last, first; };
    std::vector<Gap> gaps;
    for (auto const& words : lines_of(console, "TURN"))
        if (words.size() == 2)
            gaps.push_back({number(words[0]), number(words[1])});
    std::vector<u64> switches;
    for (Gap const& gap : gaps) {
        u64 least = ~0ull;
        for (Gap const& other : gaps)
            if (other.first > gap.last && other.first < gap.first && other.last < gap.last)
                least = std::min(least, other.first - gap.last);
        if (least != ~0ull)
            switches.push_back(least);
    }
    if (switches.empty())
        give_up(std::format("{}: no turn of one guest follows one of the other", console.string()));
    std::ranges::sort(switches);
    std::println("primitive partition-switch {} {} {} -", side, switches.front(), switches[switches.size() / 2]);
}

} // namespace

int main(int count, char** values)
{
    std::vector<std::string> const words(values + 1, values + count);
    if (words.size() == 4 && words[0] == "facts")
        facts(words[1], words[2], words[3]);
    else if (words.size() == 5 && words[0] == "boot")
        boot(words[1], words[2], words[3], number(words[4]));
    else if (words.size() == 5 && words[0] == "profile")
        profile(words[1], words[2], number(words[3]), number(words[4]));
    else if (words.size() == 3 && words[0] == "turns")
        turns(words[1], words[2]);
    else
        give_up("usage: facts FOLDER GROUP SIDE | boot FOLDER SIDE FROM TO | profile FOLDER FROM TO COUNT | turns CONSOLE SIDE");
    return 0;
}
