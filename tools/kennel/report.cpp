// SPDX-License-Identifier: Apache-2.0
//
// See report.hpp.
#include "tools/kennel/report.hpp"
#include "tools/kennel/record.hpp"
#include <algorithm>
#include <format>
#include <nlohmann/json.hpp>

namespace kennel::tool {

namespace {

u64 per_second(u64 now, u64 before, u64 milliseconds) { return milliseconds == 0 || now < before ? 0 : (now - before) * 1000 / milliseconds; }

// The record of the same thing some time before; an empty one where there is none, or where its guest was started since.
Record earlier_of(Record const& record, std::vector<Record> const& earlier)
{
    for (Record const& other : earlier)
        if (other.identity() == record.identity() && other.text("starts") == record.text("starts"))
            return other;
    return {};
}

u64 milliseconds_between(Record const& before, Record const& now)
{
    return now.number("elapsed_ms") - std::min(before.number("elapsed_ms"), now.number("elapsed_ms"));
}

std::vector<Record> records_of(std::vector<std::string> const& lines)
{
    std::vector<Record> records;
    for (auto const& line : lines)
        records.push_back(Record::parse(line));
    return records;
}

} // namespace

std::string json_of(std::vector<std::string> const& lines)
{
    auto all = nlohmann::ordered_json::array();
    for (auto const& line : lines) {
        auto const record = Record::parse(line);
        nlohmann::ordered_json object{{"kind", record.kind}};
        for (auto const& [key, value] : record.words) {
            bool const number = key != "name" && !value.empty() && value.size() < 20 && std::ranges::all_of(value, [](char c) { return c >= '0' && c <= '9'; });
            if (number)
                object[key] = std::stoull(value);
            else
                object[key] = value;
        }
        all.push_back(std::move(object));
    }
    return all.dump(2, ' ', true, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

std::string list_table(std::vector<std::string> const& lines, std::vector<std::string> const& earlier_lines)
{
    auto const earlier = records_of(earlier_lines);
    auto text = std::format("{:<18}{:<9}{:>4}{:>8}{:>10}{:>11}{:>10}{:>8}\n", "GUEST", "STATE", "CPU", "SHARE", "MEMORY", "EXITS/S", "DISK/S", "STARTS");
    for (auto const& now : records_of(lines)) {
        if (now.kind != "guest")
            continue;
        auto const before = earlier_of(now, earlier);
        u64 const ms = milliseconds_between(before, now);
        bool const alive = now.text("state") == "running";
        auto const each = [&](std::string_view key) { return alive ? per_second(now.number(key), before.number(key), ms) : 0; };
        text += std::format("{:<18}{:<9}{:>4}{:>8}{:>10}{:>11}{:>10}{:>8}\n", now.text("name"), now.text("state"), now.text("cpu"), std::format("{} %", each("run_ms") / 10),
                            std::format("{} M", now.number("memory") >> 20), each("exits"), each("disk_requests"), now.text("starts"));
    }
    return text;
}

std::string counters_table(std::vector<std::string> const& lines, std::vector<std::string> const& earlier_lines)
{
    auto const earlier = records_of(earlier_lines);
    std::string text;
    u64 ms = 0;
    for (auto const& now : records_of(lines)) {
        auto const before = earlier_of(now, earlier);
        if (now.kind == "guest") {
            ms = milliseconds_between(before, now);
            text += std::format("guest {}: {}, on CPU {}, {} M, started {} time{}\n{:<28}{:>14}{:>18}\n", now.text("name"), now.text("state"), now.text("cpu"), now.number("memory") >> 20,
                                now.text("starts"), now.text("starts") == "1" ? "" : "s", "", "PER SECOND", "SINCE ITS START");
        }
        auto const device = now.kind == "disk" || now.kind == "card" ? std::format("{} {} ", now.kind, now.text(now.kind)) : now.kind == "exits" ? "  exits: " : "";
        for (auto const& [key, value] : now.words)
            if (std::string_view{" name state cpu memory starts elapsed_ms disk card "}.find(' ' + key + ' ') == std::string_view::npos)
                text += std::format("  {:<26}{:>14}{:>18}\n", device + key, per_second(now.number(key), before.number(key), ms), value);
    }
    return text;
}

} // namespace kennel::tool
