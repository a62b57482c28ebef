// SPDX-License-Identifier: Apache-2.0
//
// See operate.hpp.
#include "tools/kennel/operate.hpp"
#include "tools/kennel/connection.hpp"
#include "tools/kennel/report.hpp"
#include "tools/kennel/session.hpp"
#include "tools/kennel/terminal.hpp"
#include <csignal>
#include <memory>
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

std::string request_of(Words const& words, std::string_view command)
{
    return words.guest.empty() ? std::string{command} : std::format("{} {}", command, words.guest);
}

Or<ExitStatus> show(Words const& words, std::string_view command, std::string (*table)(std::vector<std::string> const&, std::vector<std::string> const&))
{
    auto connection = TRY(Connection::open(words.socket, words.machine));
    auto const request = request_of(words, command);
    std::vector<std::string> earlier;
    if (words.interval != 0) {
        earlier = TRY(connection.ask(request));
        std::this_thread::sleep_for(std::chrono::seconds{words.interval});
    }
    auto const lines = TRY(connection.ask(request));
    std::fputs((words.json ? json_of(lines) : table(lines, earlier)).c_str(), stdout);
    return ExitStatus::ok;
}

Or<ExitStatus> order(Words const& words, std::string_view command)
{
    auto connection = TRY(Connection::open(words.socket, words.machine));
    TRY(connection.ask(request_of(words, command)));
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
    auto connection = TRY(Connection::open(words.socket, words.machine));
    TRY(connection.ask("console"));
    bool const interactive = input_is_terminal();
    block_ending_signals();
    Handle const signals = listen_to_signals();
    if (interactive) {
        say("Ctrl-] q leaves the console, the machine goes on; Ctrl-] m is the monitor, Ctrl-] h helps");
        make_terminal_raw();
    }
    // The machine may be gone already: its end of the connection tells.
    auto const tell_window = [&] { static_cast<void>(pass_on(connection.handle(), interactive ? window_message() : "")); };
    tell_window();
    Keyboard keyboard;
    char bytes[4096];
    bool input_open = true;
    while (true) {
        pollfd wanted[] = {{connection.handle(), POLLIN, 0}, {input_open ? STDIN_FILENO : -1, POLLIN, 0}, {signals.number, POLLIN, 0}};
        if (poll(wanted, std::size(wanted), -1) < 0)
            continue;
        if (int const signal = wanted[2].revents != 0 ? take_signal(signals) : 0; signal == SIGWINCH)
            tell_window();
        else if (signal != 0)
            break;
        if (wanted[0].revents != 0) {
            auto const got = recv(connection.handle(), bytes, sizeof bytes, 0);
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
        if (!typed.bytes.empty() && !pass_on(connection.handle(), typed.bytes))
            break;
        if (typed.help)
            say("Ctrl-] q: leave, the machine goes on; Ctrl-] m: its monitor; Ctrl-] 0 to 9: the console of this guest; Ctrl-] Ctrl-]: send Ctrl-] itself");
        if (typed.quit)
            break;
    }
    restore_terminal();
    return ExitStatus::ok;
}

} // namespace

void add_operate(CLI::App& program, ExitStatus& status)
{
    auto const verb = [&](char const* name, char const* what, char const* example) {
        auto const words = std::make_shared<Words>();
        auto* const added = program.add_subcommand(name, what);
        added->option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
        added->footer(std::format("Example:\n  {}\n\nExit status: 0 done, 2 the machine refused, 3 no machine answers.", example));
        added->add_option("--machine", words->machine, "Which machine, where several run: its configuration's or its guest's name")->type_name("NAME");
        added->add_option("--socket", words->socket, "Its socket, as given to kennel run")->type_name("PATH");
        return std::pair{added, words};
    };
    auto const reports = [&](char const* name, char const* what, char const* example, bool guest, auto table) {
        auto const [added, words] = verb(name, what, example);
        if (guest)
            added->add_option("GUEST", words->guest, "Only this guest")->default_str("all of them");
        auto* const interval = added->add_option("--interval", words->interval, "Count for so long; without it, since each guest's start")->type_name("SECONDS");
        added->add_flag("--json", words->json, "As JSON: what was counted since each guest's start")->excludes(interval);
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
