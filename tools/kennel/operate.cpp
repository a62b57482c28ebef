// SPDX-License-Identifier: Apache-2.0
//
// See operate.hpp. A machine is a socket in the folder of this user's machines (control.hpp).
#include "tools/kennel/operate.hpp"
#include "tools/kennel/control.hpp"
#include "tools/kennel/record.hpp"
#include "tools/kennel/session.hpp"
#include "tools/kennel/spelling.hpp"
#include "tools/kennel/terminal.hpp"
#include <algorithm>
#include <csignal>
#include <cstring>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

namespace kennel::tool {

namespace {

struct Words {
    std::string guest, machine, socket;
    u32  interval = 0;
    bool json = false;
};

Or<Handle> connect_machine(Words const& words)
{
    if (!words.socket.empty()) {
        Handle connection{connect_to(words.socket)};
        if (connection.number < 0)
            return machine_failed("{}: no machine listens there", words.socket);
        return connection;
    }
    auto const folder = TRY(machines_folder());
    std::map<std::string, Handle> found;
    std::error_code error;
    for (auto const& entry : fs::directory_iterator{folder, error})
        if (entry.path().extension() == ".sock")
            if (Handle connection{connect_to(entry.path())}; connection.number >= 0)
                found.emplace(entry.path().stem().string(), std::move(connection));
    std::vector<std::string_view> names;
    for (auto const& [name, connection] : found)
        names.push_back(name);
    auto const chosen = words.machine.empty() && found.size() == 1 ? found.begin() : found.find(words.machine);
    if (found.empty())
        return machine_failed("no machine is running here (kennel run starts one)");
    if (chosen == found.end() && words.machine.empty())
        return bad_usage("{} machines are running: {}; choose one by --machine=NAME", found.size(), one_of(names));
    if (chosen == found.end())
        return bad_usage("no machine '{}' is running{}", shortened(words.machine), suggestion(words.machine, names).empty() ? ": " + one_of(names) : suggestion(words.machine, names));
    return std::move(chosen->second);
}

Or<void> tell(Handle const& connection, std::string_view text)
{
    return send(connection.number, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size()) ? Or<void>{} : Or<void>{machine_failed("the machine has ended")};
}

// One request, and all lines of its answer.
Or<std::vector<std::string>> ask(Handle const& connection, std::string_view request)
{
    TRY(tell(connection, std::format("{}\n", request)));
    std::vector<std::string> lines;
    std::string line;
    for (char c; recv(connection.number, &c, 1, 0) == 1;) {
        if (c != '\n') {
            line += c;
            continue;
        }
        if (line == "end ok")
            return lines;
        if (line.starts_with("end error "))
            return bad_usage("{}", line.substr(std::strlen("end error ")));
        lines.push_back(std::exchange(line, {}));
    }
    return machine_failed("the machine has ended");
}

std::string request_of(Words const& words, std::string_view command)
{
    return words.guest.empty() ? std::string{command} : std::format("{} {}", command, words.guest);
}

Or<ExitStatus> show(Words const& words, std::string_view command, std::string (*table)(std::vector<std::string> const&, std::vector<std::string> const&))
{
    auto const connection = TRY(connect_machine(words));
    auto const request = request_of(words, command);
    std::vector<std::string> earlier;
    if (words.interval != 0) {
        earlier = TRY(ask(connection, request));
        std::this_thread::sleep_for(std::chrono::seconds{words.interval});
    }
    auto const lines = TRY(ask(connection, request));
    std::fputs((words.json ? json_of(lines) : table(lines, earlier)).c_str(), stdout);
    return ExitStatus::ok;
}

Or<ExitStatus> order(Words const& words, std::string_view command)
{
    auto const connection = TRY(connect_machine(words));
    TRY(ask(connection, request_of(words, command)));
    return ExitStatus::ok;
}

Or<void> pass_on(int handle, std::string_view bytes)
{
    while (!bytes.empty()) {
        auto const count = write(handle, bytes.data(), bytes.size());
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return machine_failed("the machine has ended");
        bytes.remove_prefix(static_cast<usize>(count));
    }
    return {};
}

Or<ExitStatus> console(Words const& words)
{
    auto const connection = TRY(connect_machine(words));
    TRY(ask(connection, "console"));
    bool const interactive = input_is_terminal();
    block_ending_signals();
    Handle const signals = listen_to_signals();
    if (interactive) {
        say("Ctrl-] q leaves the console, the machine goes on; Ctrl-] m is the monitor, Ctrl-] h helps");
        make_terminal_raw();
    }
    // The machine may be gone already: its end of the connection tells.
    auto const tell_window = [&] { static_cast<void>(pass_on(connection.number, interactive ? window_message() : "")); };
    tell_window();
    Keyboard keyboard;
    char bytes[4096];
    bool input_open = true;
    while (true) {
        pollfd wanted[] = {{connection.number, POLLIN, 0}, {input_open ? STDIN_FILENO : -1, POLLIN, 0}, {signals.number, POLLIN, 0}};
        if (poll(wanted, std::size(wanted), -1) < 0)
            continue;
        if (int const signal = wanted[2].revents != 0 ? take_signal(signals) : 0; signal == SIGWINCH)
            tell_window();
        else if (signal != 0)
            break;
        if (wanted[0].revents != 0) {
            auto const got = recv(connection.number, bytes, sizeof bytes, 0);
            if (got <= 0)
                break;
            if (!pass_on(STDOUT_FILENO, {bytes, static_cast<usize>(got)}))
                break;
        }
        if (wanted[1].revents == 0)
            continue;
        auto const got = read(STDIN_FILENO, bytes, sizeof bytes);
        input_open = got > 0;
        if (!input_open)
            continue;
        std::string_view const text{bytes, static_cast<usize>(got)};
        auto const typed = interactive ? keyboard.feed(text) : Typed{.bytes = std::string{text}};
        if (!typed.bytes.empty() && !pass_on(connection.number, typed.bytes))
            break;
        if (typed.help)
            say("Ctrl-] q: leave, the machine goes on; Ctrl-] m: its monitor; Ctrl-] 0 to 9: the console of this guest; Ctrl-] Ctrl-]: send Ctrl-] itself");
        if (typed.quit)
            break;
    }
    restore_terminal();
    return ExitStatus::ok;
}

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

void add_operate(CLI::App& program, ExitStatus& status)
{
    auto const verb = [&](char const* name, char const* what, char const* example) {
        auto const words = std::make_shared<Words>();
        auto* const added = program.add_subcommand(name, what);
        added->option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
        added->footer(std::format("Example:\n  {}\n\nExit status: 0 done, 2 the machine refused, 3 there is no machine.", example));
        added->add_option("--machine", words->machine, "Which machine, where several run: its configuration's or its guest's name")->type_name("NAME");
        added->add_option("--socket", words->socket, "Its socket, as given to kennel run")->type_name("PATH");
        return std::pair{added, words};
    };
    auto const reports = [&](char const* name, char const* what, char const* example, bool guest, auto table) {
        auto const [added, words] = verb(name, what, example);
        if (guest)
            added->add_option("GUEST", words->guest, "Only this guest");
        added->add_option("--interval", words->interval, "Count for so long; without it, since each guest's start")->type_name("SECONDS");
        added->add_flag("--json", words->json, "As JSON: what was counted since each guest's start");
        added->callback([words, name, table, &status] { status = spoken(show(*words, name, table)); });
    };
    reports("list", "The guests of a running machine", "kennel list --interval=2", false, list_table);
    reports("counters", "What is counted of them: exits, disk requests, packets", "kennel counters one --json", true, counters_table);
    for (auto const& [name, what] : {std::pair{"start", "Start a guest that is stopped, held or ended"}, {"stop", "Stop a guest at once; the machine stays on"},
                                     {"restart", "Stop a guest, if it runs, and start it"}, {"reset", "Start a running guest anew"}}) {
        auto const [added, words] = verb(name, what, std::format("kennel {} one", name).c_str());
        added->add_option("GUEST", words->guest, "The guest's name");
        added->callback([words, command = std::string{name}, &status] {
            status = spoken(words->guest.empty() ? Or<ExitStatus>{bad_usage("a guest's name is missing: kennel {} GUEST", command)} : order(*words, command));
        });
    }
    auto const [off, off_words] = verb("poweroff", "Stop all guests of a running machine, and end it", "kennel poweroff");
    off->callback([words = off_words, &status] { status = spoken(order(*words, "poweroff")); });
    auto const [seat, seat_words] = verb("console", "The console of a running machine", "kennel console");
    seat->callback([words = seat_words, &status] { status = spoken(console(*words)); });
}

} // namespace kennel::tool
