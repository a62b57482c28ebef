// SPDX-License-Identifier: Apache-2.0
//
// What comes out of the machine's serial ports, in one piece and byte by byte.
#include "tools/kennel/streams.hpp"
#include "tools/kennel/terminal.hpp"
#include <doctest/doctest.h>

using namespace kennel;
using namespace kennel::tool;

namespace {

struct Heard {
    std::vector<std::string> loader;
    std::string              console;
};

Heard hear(std::string_view text, usize piece)
{
    ConsoleStream stream;
    Heard heard;
    for (usize at = 0; at < text.size(); at += piece) {
        auto const output = stream.feed(text.substr(at, piece));
        heard.loader.insert(heard.loader.end(), output.loader.begin(), output.loader.end());
        heard.console += output.console;
    }
    return heard;
}

} // namespace

TEST_CASE("tools: the console begins after the service's mark")
{
    std::string_view const text = "\x1b[2J\x1b[01;01H\x1b[=3hBdsDxe: starting\r\n\x1b[02;01Hkennel: one\r\nkennel: two\x1b[05;01H"
                                  "\x1e\x1ekennel-con\x1ekennel-console\r\nguest\x1ekennel-console\nmore";
    for (usize const piece : {1u, 2u, 3u, 7u, 4096u}) {
        auto const heard = hear(text, piece);
        CHECK(heard.console == "guest\x1ekennel-console\nmore");
        CHECK(heard.loader == std::vector<std::string>{"kennel: one", "kennel: two"});
    }
}

TEST_CASE("tools: without the mark nothing is the console's")
{
    CHECK(hear("kennel: cannot start: no\r\n\x1ekennel-consol", 1).console.empty());
}

TEST_CASE("tools: lines are bounded and printable")
{
    LineReader reader;
    std::vector<std::string> lines;
    auto const take = [&](std::string_view line) { lines.emplace_back(line); };
    reader.feed(std::string_view{"a\x01\x7f\x80\tb\n\n\r\n"}, take);
    reader.feed(std::string(100'000, 'x'), take);
    reader.feed(std::string_view{"\nlast"}, take);
    REQUIRE(lines.size() == 2);
    CHECK(lines[0] == "a\tb");
    CHECK(lines[1].size() == 4096);
    CHECK(reader.unfinished() == "last");
}

TEST_CASE("tools: messages")
{
    using Kind = Message::Kind;
    CHECK(parse_message("ready").kind == Kind::ready);
    CHECK(parse_message("guest a started").kind == Kind::guest_started);
    CHECK(parse_message("guest a restarted").kind == Kind::guest_restarted);
    auto const stopped = parse_message("guest a stopped reason=triple-fault status=failed");
    CHECK(stopped.kind == Kind::guest_stopped);
    CHECK(stopped.guest == "a");
    CHECK(stopped.reason == "triple-fault");
    CHECK(stopped.failed);
    CHECK(!parse_message("machine off status=ok").failed);
    CHECK(parse_message("machine off status=fai").failed);
    for (auto const* text : {"", "guest", "guest a", "guest a flew", "machine", "machine on", "hello there"})
        CHECK(parse_message(text).kind == Kind::unknown);
}

TEST_CASE("tools: the escape key")
{
    Keyboard keyboard;
    CHECK(keyboard.feed("ls\x03").bytes == "ls\x03");
    CHECK(keyboard.feed("a\x1d").bytes == "a");
    CHECK(keyboard.feed("\x1d").bytes == "\x1d\x1d");      // doubled, over two reads; the machine undoubles it
    CHECK(keyboard.feed("\x1dm\x1d" "3x").bytes == "\x1dm\x1d" "3x");
    CHECK(keyboard.feed("\x1dh").help);
    auto const typed = keyboard.feed("x\x1dqy");
    CHECK(typed.quit);
    CHECK(typed.bytes == "xy");
}
