// SPDX-License-Identifier: Apache-2.0
//
// The operator's monitor: what keys make of a line, what a line means, what is printed, and who is answered where.
#include "drivers/console/console.hpp"
#include "drivers/monitor/monitor.hpp"
#include "tests/host/service_fake.hpp"
#include <doctest/doctest.h>
#include <memory>

using namespace kennel;
using namespace kennel::service;

namespace {

std::string taken(ByteRing& ring)
{
    std::string text;
    while (!ring.empty())
        text += static_cast<char>(ring.pop());
    return text;
}

struct Keys {
    std::vector<u8> space = std::vector<u8>(4096);
    ByteRing   echo{space};
    LineEditor editor;
    LineEditor::Outcome last = LineEditor::Outcome::none;
    std::string line(std::string_view keys)
    {
        for (char const c : keys)
            last = editor.feed(static_cast<u8>(c), echo);
        return std::string{editor.line()};
    }
};

// A machine of two guests, on CPUs 0 and 1, whose homes answer when told.
struct Desk {
    fake::World& world = fake::reset();
    std::unique_ptr<abi::EventPage> events = std::make_unique<abi::EventPage>();
    std::unique_ptr<Monitor>        monitor = std::make_unique<Monitor>();
    std::unique_ptr<Guest>          guests[2] = {std::make_unique<Guest>(), std::make_unique<Guest>()};
    std::unique_ptr<Screen> screen = std::make_unique<Screen>();
    History     history;
    Log         log{*events, &history};
    Plan        plan;
    std::string frames, lines;
    MonitorWish wish;

    Desk()
    {
        world.answer = [this](fake::Made const& made) -> Answer {
            if (made.call == abi::Call::log)
                (made.rsi ? frames : lines) += std::string(events->text, made.rdi) + "\n";
            return {Status::ok, 0, 0};
        };
        plan.count = 2;
        for (u32 i = 0; i < 2; i++) {
            Guest& guest = *guests[i];
            std::memcpy(guest.recipe.name, i == 0 ? "dog" : "cat", 4);
            guest.recipe.memory = 96 << 20;
            guest.number = guest.home = i;
            guest.state = GuestState::running;
            guest.starts = 1;
            plan.guests[i] = &guest;
        }
    }
    std::string type(std::string_view keys)
    {
        for (char const c : keys)
            monitor->input().push(static_cast<u8>(c));
        wish = monitor->serve(plan, history, log);
        return taken(monitor->output());
    }
    void ask(std::string_view text)
    {
        frames.clear();
        for (char const c : text)
            monitor->requests().push(static_cast<u8>(c));
        wish = monitor->serve(plan, history, log);
    }
    std::string done()
    {
        for (auto& guest : guests)
            guest->order = Order::none;
        monitor->orders_done(plan, 1'000'000'000, log, *screen);
        return taken(monitor->output());
    }
};

} // namespace

TEST_CASE("monitor: keys edit the line")
{
    CHECK(Keys{}.line("list\r") == "list");
    CHECK(Keys{}.line("lisx\x7ft\r") == "list");
    CHECK(Keys{}.line("lst\x1b[D\x1b[Di\r") == "list");
    CHECK(Keys{}.line("ist\x01l\x05x\x17\x15none\r") == "none");
    CHECK(Keys{}.line("stop  dog\x17\x17list\r") == "list");
    CHECK(Keys{}.line("lisst\x1b[D\x1b[D\x1b[3~\r") == "list");
    CHECK(Keys{}.line("xlist\x1b[H\x04\x1b[F\r") == "list");
    CHECK(Keys{}.line("junk\x15list\r") == "list");
    CHECK(Keys{}.line("junk\x03list\r") == "list");
    CHECK(Keys{}.line("l\x80\xff\x02ist\x1b[Zl\r").size() < LineEditor::longest);
    CHECK(Keys{}.line(std::string(500, 'x') + "\r") == std::string(LineEditor::longest, 'x'));
    Keys keys;
    keys.line("one\rtwo\rtwo\r");
    CHECK(keys.line("\x1b[A\x1b[A\r") == "one");
    CHECK(keys.line("\x10\x10\x10\x0e\r") == "two");
    keys.line("\x04");
    CHECK(keys.last == LineEditor::Outcome::leave);
    keys.line("x\x01\x04\x04");
    CHECK(keys.last == LineEditor::Outcome::leave);
}

TEST_CASE("monitor: commands, and what is wrong with a line")
{
    Text fault;
    CHECK(parse_command("  stop\tdog ", fault)->guest == "dog");
    CHECK(parse_command("counters", fault)->verb == Verb::counters);
    CHECK(parse_command("", fault)->verb == Verb::nothing);
    CHECK(fault.view().empty());
    for (auto const& [line, words] : {std::pair{"stop", "stop: a guest's name is missing: stop GUEST"}, {"list dog", "list: nothing may follow"},
                                      {"stop dog cat", "stop: one guest's name is wanted, nothing more"}, {"bark", "there is no command 'bark': help lists them"}}) {
        CHECK(!parse_command(line, fault));
        CHECK(fault.view() == words);
    }
}

TEST_CASE("monitor: the list is a table for a person, with rates since the last one")
{
    Desk desk;
    CHECK(desk.type("list\r").ends_with("list\r\n"));
    CHECK(desk.wish.homes == 3);
    CHECK(desk.guests[1]->order == Order::sample);
    CHECK(desk.type("help\r") == "");                  // one at a time: it is read afterwards
    desk.guests[0]->sample = {.taken = 3'000'000'000, .started = 1'000'000'000, .starts = 1, .run_ticks = 500'000'000};
    desk.guests[0]->sample.exits[static_cast<u32>(abi::ExitCounter::halt)] = 400;
    desk.guests[0]->sample.disks[0].requests = 20;
    desk.guests[1]->sample.starts = 1;
    desk.guests[1]->state = GuestState::stopped;
    auto text = desk.done();
    CHECK(text.contains("dog               running    0   25 %    96 M      200      10       0      1\r\n    exits/s: halt 200\r\n"));
    CHECK(text.contains("cat               stopped    1    0 %    96 M        0       0       0      1\r\n"));
    CHECK(text.ends_with("kennel> "));
    CHECK(desk.type("").contains("poweroff"));
    desk.type("list\r");
    desk.guests[0]->sample.taken = 4'000'000'000;
    desk.guests[0]->sample.exits[static_cast<u32>(abi::ExitCounter::halt)] = 403;
    CHECK(desk.done().contains("exits/s: halt 3\r\n"));
    desk.type("counters dog\r");
    text = desk.done();
    CHECK(text.contains("  exits                              0             403\r\n"));
    CHECK(!text.contains("guest cat"));
}

TEST_CASE("monitor: a program is answered on the log's port, by its number")
{
    Desk desk;
    desk.ask("7 list\n");
    CHECK(desk.frames == "");
    desk.guests[0]->sample = {.taken = 3'000'000'000, .started = 1'000'000'000, .starts = 1, .run_ticks = 500'000'000};
    CHECK(desk.done() == "");
    CHECK(desk.frames.starts_with("reply 7 guest name=dog state=running cpu=0 memory=100663296 starts=1 elapsed_ms=2000 run_ms=500 exits=0 "));
    CHECK(desk.frames.ends_with("reply 7 end ok\n"));
    desk.ask("8 stop bird\n");
    CHECK(desk.frames == "reply 8 end error there is no guest 'bird': dog cat\n");
    desk.ask("9 start dog\n");
    CHECK(desk.frames == "reply 9 end error guest dog: it runs already\n");
    desk.ask("10 stop cat\n");
    CHECK(desk.wish.homes == 2);
    CHECK(desk.guests[1]->order == Order::stop);
    desk.guests[1]->state = GuestState::stopped;
    desk.done();
    CHECK(desk.frames == "reply 10 end ok\n");
    desk.ask("11 start cat\n");
    desk.done();
    CHECK(desk.frames == "reply 11 end error guest cat is stopped: see the log\n");
    desk.ask("12 " + std::string(300, 'x') + "\n");
    CHECK(desk.frames == "reply 12 end error the request is too long\n");
    desk.ask("list\n");
    CHECK(desk.frames == "");
    CHECK(desk.lines.contains("a request without a number"));
    desk.ask("13 log\n");
    CHECK(desk.frames == "reply 13 monitor: a request without a number\nreply 13 end ok\n");
}

TEST_CASE("monitor: the screen's table is a command like others, and waits for theirs")
{
    Desk desk;
    std::vector<u32> pixels(640 * 80);
    desk.screen->open({reinterpret_cast<u64>(pixels.data()), pixels.size() * 4, 640, 80, 640, abi::PixelFormat::bgrx});
    desk.type("list\r");
    CHECK(desk.monitor->refresh(desk.plan).homes == 0);
    desk.done();
    CHECK(desk.monitor->refresh(desk.plan).homes == 3);
    CHECK(desk.guests[0]->order == Order::sample);
    CHECK(std::ranges::count(pixels, 0u) == 640 * 80);
    CHECK(desk.type("stop dog\r") == "");              // it is read afterwards
    CHECK(desk.done() == "");
    CHECK(std::ranges::count(pixels, 0u) < 640 * 80);
    CHECK(desk.frames == "");
    desk.type("");
    CHECK(desk.guests[0]->order == Order::stop);
}

TEST_CASE("history: the last lines, whole ones only")
{
    History history;
    for (u32 i = 0; i < 1000; i++)
        history.add(Text{"line ", i, " with\x1b words"}.view());
    std::vector<std::string> lines;
    u64 at = 0;
    for (Text line; history.next(at, line);)
        lines.emplace_back(line.view());
    CHECK(lines.size() > 150);
    CHECK(lines.back() == "line 999 with? words");
    CHECK(lines.front().starts_with("line "));
    Text line;
    history.add("one more");
    CHECK(history.next(at, line));
    CHECK(line.view() == "one more");
    CHECK(!history.next(at, line));
}

TEST_CASE("console: the monitor in front, guests' lines above its prompt, and back")
{
    fake::World& world = fake::reset();
    std::vector<u8> space = std::vector<u8>(4096), in_space = std::vector<u8>(64), monitor_space = std::vector<u8>(1024), keys_space = std::vector<u8>(64), requests_space = std::vector<u8>(64);
    ByteRing output{space}, input{in_space}, monitor{monitor_space}, keys{keys_space}, requests{requests_space};
    Console console;
    console.open(0x3f8, 1'000'000'000);
    console.add({"dog", &output, &input});
    console.attach(0);
    console.add_monitor(monitor, keys, requests);
    auto const type = [&](std::string_view text) {
        for (char const c : text)
            world.typed.push_back(c);
        return console.interrupt().changes;
    };
    auto const shown = [&] {
        auto const changes = console.pump();
        std::string const text = std::exchange(world.sent, {});
        return std::pair{text, changes.monitor};
    };
    shown();
    put(output, "$ ");
    CHECK(shown().first == "$ ");
    CHECK(type("\x1dmhe").monitor);
    CHECK(taken(keys) == "\x0che");
    CHECK(input.empty());
    put(monitor, "kennel> ");
    CHECK(shown() == std::pair{std::string{"\r\nkennel> "}, false});
    put(output, "half");
    CHECK(shown().first == "");                        // an unfinished line waits
    put(output, " a line\nx");
    CHECK(shown() == std::pair{std::string{"\r\x1b[Kdog| half a line\n"}, true});
    CHECK(taken(keys) == "\x0c");                      // the prompt is wanted anew
    CHECK(!type("\x1dr5 list\n").input);
    CHECK(taken(requests) == "5 list\n");
    CHECK(console.leave_monitor());
    put(monitor, "\r\n");
    CHECK(shown().first.ends_with("x"));
    type("\x1d\x1d" "a");
    CHECK(taken(input) == "\x1d" "a");
    put(output, "yz");
    CHECK(shown().first == "yz");                      // one guest: its bytes as they are
}
