// SPDX-License-Identifier: Apache-2.0
#include "drivers/console/console.hpp"
#include "tests/host/service_fake.hpp"
#include <doctest/doctest.h>

using namespace kennel;
using namespace kennel::service;

namespace {

struct Line {
    std::vector<u8> out_space = std::vector<u8>(1024), in_space = std::vector<u8>(16);
    ByteRing output, input;
    Line()
    {
        output = ByteRing{out_space};
        input = ByteRing{in_space};
    }
    void say(std::string_view text)
    {
        for (char c : text)
            output.push(static_cast<u8>(c));
    }
    std::string typed()
    {
        std::string text;
        while (!input.empty())
            text += static_cast<char>(input.pop());
        return text;
    }
};

struct Desk {
    fake::World& world = fake::reset();
    Console console;
    Line    a, b;

    explicit Desk(bool two, bool interrupts = false)
    {
        console.open(0x3f8, 1'000'000'000);
        console.add({"a", &a.output, &a.input});
        if (two)
            console.add({"b", &b.output, &b.input});
        console.attach(0);
        console.set_interrupts(interrupts);
        CHECK(world.sent == "\x1ekennel-console\n");
        world.sent.clear();
    }
    void type(std::string_view text)
    {
        for (char c : text)
            world.typed.push_back(c);
        console.interrupt();
    }
};

} // namespace

TEST_CASE("console: one guest's bytes pass unchanged, both ways")
{
    Desk desk{false};
    desk.a.say("hello\r\n\x1b[0m$ ");
    CHECK(desk.console.pump().room == 1);
    CHECK(desk.world.sent == "hello\r\n\x1b[0m$ ");
    desk.type("ls\r");
    CHECK(desk.a.typed() == "ls\r");
}

TEST_CASE("console: lines of several guests have names; only the attached one's unfinished line is shown")
{
    Desk desk{true};
    desk.a.say("$ ");
    desk.b.say("one\ntw");
    desk.console.pump();
    CHECK(desk.world.sent == "a| $ \r\nb| one\n");
    desk.world.sent.clear();
    desk.b.say("o\n");
    desk.a.say("x\ny\n");
    desk.console.pump();
    CHECK(desk.world.sent == "a| x\nb| two\na| y\n");
    desk.world.sent.clear();
    desk.b.say("login: ");
    desk.console.pump();
    CHECK(desk.world.sent.empty());
    desk.console.flush();
    CHECK(desk.world.sent == "b| login: ");
}

TEST_CASE("console: input goes to the attached guest; the escape attaches another, and doubled is itself")
{
    Desk desk{true};
    desk.type("for a");
    desk.type("\x1d");
    desk.type("1for b\x1d\x1d");
    CHECK(desk.a.typed() == "for a");
    CHECK(desk.b.typed() == "for b\x1d");
    desk.type("\x1d" "7x\x1dqy");                       // no such guest, no such command
    CHECK(desk.b.typed() == "xy");
    desk.type(std::string(100, 'z'));                  // more than it reads: lost, not kept
    CHECK(desk.b.typed() == std::string(16, 'z'));
}

TEST_CASE("console: a busy port is asked again by interrupt, and nothing is lost or doubled")
{
    Desk desk{false, true};
    std::string const text = [] {
        std::string all;
        for (int i = 0; i < 30; i++)
            all += "line " + std::to_string(i) + "\r\n";
        return all;
    }();
    desk.a.say(text);
    desk.world.room = 16;
    desk.console.pump();
    CHECK(desk.world.sent == text.substr(0, 1) + text.substr(1, desk.world.sent.size() - 1));
    while (desk.world.sent.size() < text.size()) {
        usize const before = desk.world.sent.size();
        REQUIRE((desk.world.interrupts_enabled & 2) != 0);
        desk.world.room = 16;
        desk.world.empty_interrupt = true;
        desk.console.interrupt();
        REQUIRE(desk.world.sent.size() > before);
    }
    desk.world.room = 16;
    desk.world.empty_interrupt = true;
    desk.console.interrupt();
    CHECK((desk.world.interrupts_enabled & 2) == 0);
    CHECK(desk.world.sent == text);
}

TEST_CASE("console: a port that is stuck holds nobody up")
{
    Desk desk{false};
    desk.world.room = 0;
    desk.a.say("nobody reads this");
    desk.console.pump();
    desk.console.flush();
    CHECK(desk.world.sent.empty());
    CHECK(desk.a.output.size() == 17);
}

TEST_CASE("console: the window's size is told by an escape; what is no size counts for nothing, and none of it is input")
{
    Desk desk{true};
    auto const changes_by = [&](std::string_view text) {
        desk.world.typed.insert(desk.world.typed.end(), text.begin(), text.end());
        return desk.console.interrupt().changes;
    };
    CHECK(desk.console.window().columns == 80);
    CHECK(changes_by("\x1dw132 43\n").window);
    for (std::string_view const wrong : {"\x1dw\n", "\x1dw80\n", "\x1dw0 24\n", "\x1dw80 0\r", "\x1dw80 24 1\n", "\x1dw99999 24\n", "\x1dwx y\n", "\x1dw-1 24\n"})
        CHECK_FALSE(changes_by(wrong).window);
    CHECK(desk.console.window().columns == 132);
    CHECK(desk.console.window().rows == 43);
    CHECK(changes_by("x").input == 1);
    CHECK(desk.a.typed() == "x");
}
