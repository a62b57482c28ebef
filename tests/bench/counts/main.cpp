// SPDX-License-Identifier: Apache-2.0
//
// bench_counts: what the emulator counted, put beside what a measuring program printed.
//   facts FOLDER GROUP SIDE         one line for each line BENCH or REQUEST of FOLDER/console: GROUP NAME SIDE MINIMUM MEDIAN EXITS
//   figures FOLDER GROUP SIDE       the same of an emulator that does not count
//   boot FOLDER SIDE FROM TO        the same for a Linux that started: instructions and exits from mark FROM (`start`: from its first exit
//                                   in long mode) to mark TO
//   console SIDE LOUD TO QUIET TO   the exits of a guest for 100 bytes of its console: from two starts to their first programs, folder and mark
//                                   of each, of which QUIET wrote nothing
//   profile FOLDER FROM TO COUNT    a table: where exits and instructions went between two marks, for each of COUNT operations; FROM may
//                                   be `start` as above
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

// The last of each name: a measurement may be repeated.
std::vector<std::vector<std::string>> last_lines_of(std::filesystem::path const& path, std::string const& kind, std::size_t words)
{
    auto const all = lines_of(path, kind);
    std::vector<std::vector<std::string>> last;
    for (auto line = all.begin(); line != all.end(); ++line) {
        if (line->size() != words)
            give_up(std::format("{}: a line {} has {} words, not {}", path.string(), kind, line->size(), words));
        if (std::none_of(line + 1, all.end(), [&](auto const& later) { return !later.empty() && later[0] == line->front(); }))
            last.push_back(*line);
    }
    return last;
}

// name minimum median rounds mark
void benches(std::filesystem::path const& folder, std::string const& group, std::string const& side, Counts const* counts)
{
    auto const lines = last_lines_of(folder / "console", "BENCH", 5);
    for (auto const& words : lines) {
        std::string exits = "-";
        if (counts) {
            u64 const mark = number(words[4]);
            exits = std::format("{:.2f}", per((counts->at(mark + 1) - counts->at(mark)).exits, number(words[3])));
        }
        std::println("{} {} {} {} {} {}", group, words[0], side, words[1], words[2], exits);
    }
}

u64 exits_of(Stretch const& stretch, u64 partition)
{
    u64 all = 0;
    for (auto const& [reason, exits] : stretch.partitions.at(partition).exits)
        all += exits.count;
    return all;
}

// name minimum median rounds operations interrupts mark. Of batches, which share their exits and interrupts, per 100 requests: the exits
// of the guest alone, and its interrupts.
void requests(std::filesystem::path const& folder, std::string const& group, std::string const& side, Counts const& counts)
{
    for (auto const& words : last_lines_of(folder / "console", "REQUEST", 7)) {
        u64 const rounds = number(words[3]), operations = number(words[4]), mark = number(words[6]), all = rounds * operations;
        auto const stretch = counts.at(mark + 1) - counts.at(mark);
        std::println("{} {} {} {} {} {:.2f}", group, words[0], side, number(words[1]) / operations, number(words[2]) / operations, per(stretch.exits, all));
        if (operations == 1 || stretch.exits == 0)
            continue;
        auto const hundred = [&](char const* what, u64 value) {
            u64 const each = (value * 100 + all / 2) / all;
            std::println("{} {}-{} {} {} {} -", group, words[0], what, side, each, each);
        };
        hundred("exits", exits_of(stretch, counts.start_before(mark).started()));
        hundred("interrupts", number(words[5]));
    }
}

void boot(std::filesystem::path const& folder, std::string const& side, std::string const& from, u64 to)
{
    auto const counts = Counts::read(folder / "counts");
    bool const is_guest = from == "start";
    Snapshot const& start = is_guest ? counts.start_before(to) : counts.at(number(from));
    Stretch const stretch = counts.at(to) - start;
    std::println("boot to-first-program {} {} {} {}", side, stretch.instructions, stretch.instructions, stretch.exits);
    if (is_guest)
        std::println("boot exits {0} {1} {1} -", side, exits_of(stretch, start.started()));
}

// What a starting kernel wrote: behind the line BEGIN of whoever started it, to the line of the first program. A terminal between may have
// added carriage returns: a line's end counts as the two bytes that the kernel writes.
u64 console_bytes(std::filesystem::path const& path)
{
    std::ifstream stream{path};
    std::string const all{std::istreambuf_iterator<char>{stream}, {}};
    std::size_t const starter = all.find("\nBEGIN"), begin = starter == all.npos ? 0 : all.find('\n', starter + 1), end = all.find("FIRST PROGRAM", begin);
    if (end == all.npos)
        give_up(std::format("{}: no first program says so", path.string()));
    u64 bytes = 0;
    for (char const c : all.substr(begin, end - begin))
        bytes += c == '\n' ? 2 : c != '\r';
    return bytes;
}

u64 exits_of_start(std::filesystem::path const& folder, u64 to)
{
    auto const counts = Counts::read(folder / "counts");
    Snapshot const& start = counts.start_before(to);
    return exits_of(counts.at(to) - start, start.started());
}

void console(std::string const& side, std::filesystem::path const& loud, u64 loud_mark, std::filesystem::path const& quiet, u64 quiet_mark)
{
    u64 const with = exits_of_start(loud, loud_mark), without = exits_of_start(quiet, quiet_mark), bytes = console_bytes(loud / "console");
    if (with <= without || bytes < 1000)
        give_up(std::format("{}: {} exits and {} bytes tell nothing of a console, beside {} exits without", loud.string(), with, bytes, without));
    u64 const each = ((with - without) * 100 + bytes / 2) / bytes;
    std::println("boot console-exits {0} {1} {1} -", side, each);
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
    std::println("switch partition-switch {} {} {} -", side, switches.front(), switches[switches.size() / 2]);
}

} // namespace

int main(int count, char** values)
{
    std::vector<std::string> const words(values + 1, values + count);
    if (words.size() == 4 && words[0] == "facts") {
        auto const counts = Counts::read(std::filesystem::path{words[1]} / "counts");
        benches(words[1], words[2], words[3], &counts);
        requests(words[1], words[2], words[3], counts);
    } else if (words.size() == 4 && words[0] == "figures") {
        benches(words[1], words[2], words[3], nullptr);
    } else if (words.size() == 5 && words[0] == "boot")
        boot(words[1], words[2], words[3], number(words[4]));
    else if (words.size() == 6 && words[0] == "console")
        console(words[1], words[2], number(words[3]), words[4], number(words[5]));
    else if (words.size() == 5 && words[0] == "profile")
        print_profile(std::filesystem::path{words[1]} / "counts", words[2] == "start" ? std::nullopt : std::optional{number(words[2])}, number(words[3]), number(words[4]));
    else if (words.size() == 3 && words[0] == "turns")
        turns(words[1], words[2]);
    else
        give_up("usage: facts|figures FOLDER GROUP SIDE | boot FOLDER SIDE FROM TO | console SIDE LOUD TO QUIET TO | profile FOLDER FROM TO COUNT | turns CONSOLE SIDE");
    return 0;
}
