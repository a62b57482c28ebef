// SPDX-License-Identifier: Apache-2.0
//
// A host tool of the build: `llvm-nm -n --demangle` of the linked hypervisor on standard input -> the table that
// symbols.cpp reads, on standard output. Names are cut at their parameter list, and the table at the room there is.
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

namespace {

struct Entry { std::uint32_t offset, name; };

void put(std::uint32_t word) { std::fwrite(&word, sizeof word, 1, stdout); }

} // namespace

int main(int argc, char** argv)
{
    if (argc != 3) {
        std::fputs("usage: pack_symbols IMAGE-BASE ROOM-IN-BYTES < symbols\n", stderr);
        return 2;
    }
    std::uint64_t const base = std::stoull(argv[1], nullptr, 0), room = std::stoull(argv[2], nullptr, 0);
    std::vector<Entry> entries;
    std::string names, line;
    while (std::getline(std::cin, line)) {
        std::istringstream in{line};
        std::string address, kind, name;
        in >> address >> kind;
        std::getline(in >> std::ws, name);
        if ((kind != "t" && kind != "T") || name.empty() || name[0] == '.')
            continue;
        for (std::string const skip : {"kennel::", "(anonymous namespace)::"})
            for (auto at = name.find(skip); at != std::string::npos; at = name.find(skip))
                name.erase(at, skip.size());
        if (auto const at = name.find('('); at != std::string::npos && at > 0)
            name.resize(at);
        if (4 + 8 * (entries.size() + 1) + names.size() + name.size() + 1 > room) {
            std::fputs("pack_symbols: the names do not fit their section\n", stderr);
            return 1;
        }
        std::uint64_t const offset = std::stoull(address, nullptr, 16) - base;
        if (!entries.empty() && entries.back().offset == offset)
            continue;
        entries.push_back({static_cast<std::uint32_t>(offset), static_cast<std::uint32_t>(names.size())});
        names += name;
        names += '\0';
    }
    put(static_cast<std::uint32_t>(entries.size()));
    for (Entry const& entry : entries) {
        put(entry.offset);
        put(entry.name);
    }
    std::fwrite(names.data(), 1, names.size(), stdout);
    for (auto written = 4 + 8 * entries.size() + names.size(); written < room; written++)
        std::fputc(0, stdout);
    return 0;
}
