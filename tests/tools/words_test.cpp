// SPDX-License-Identifier: Apache-2.0
//
// Words of the command line: sizes, and what becomes the kernel's command line.
#include "tools/kennel/size.hpp"
#include "tools/kennel/command_line.hpp"
#include "tools/kennel/network.hpp"
#include <doctest/doctest.h>
#include <vector>

using namespace kennel;
using namespace kennel::tool;

namespace {

std::string line(std::vector<std::string> const& words) { return guest_command_line(words).value_or("refused"); }

} // namespace

TEST_CASE("tools: sizes with and without a unit")
{
    CHECK(parse_size("4096").value_or(0) == 4096);
    CHECK(parse_size("4k").value_or(0) == 4096);
    CHECK(parse_size("128m").value_or(0) == u64{128} << 20);
    CHECK(parse_size("128M").value_or(0) == u64{128} << 20);
    CHECK(parse_size("2g").value_or(0) == u64{2} << 30);
}

TEST_CASE("tools: what is no size is refused with the word itself")
{
    for (auto const* word : {"", "m", "12x", "12mm", "-1m", "1.5g", " 1m", "0", "0m", "99999999999999999999", "99999999g"}) {
        auto const size = parse_size(word);
        REQUIRE(!size);
        CHECK(size.error().status == ExitStatus::bad_usage);
        CHECK(size.error().text.starts_with(std::string{"'"} + word + "'"));
    }
}

TEST_CASE("tools: a size is written with the largest unit that keeps it exact")
{
    CHECK(size_text(u64{1} << 30) == "1g");
    CHECK(size_text(u64{70} << 20) == "70m");
    CHECK(size_text(4097) == "4097");
    CHECK(size_text(0) == "0");
}

TEST_CASE("tools: console=ttyS0 is added unless there is a console")
{
    CHECK(line({}) == "console=ttyS0");
    CHECK(line({"quiet"}) == "console=ttyS0 quiet");
    CHECK(line({"quiet", "console=tty0"}) == "quiet console=tty0");
    CHECK(line({"--", "init-word"}) == "console=ttyS0 -- init-word");
}

TEST_CASE("tools: kernel arguments with spaces are quoted as Linux reads them")
{
    CHECK(line({"a=b c"}) == "console=ttyS0 a=\"b c\"");
    CHECK(line({"b c"}) == "console=ttyS0 \"b c\"");
    CHECK(line({"a=\"b c\""}) == "console=ttyS0 a=\"b c\"");
    CHECK(line({"a\nb"}) == "refused");
}

TEST_CASE("tools: networks and addresses of cards")
{
    CHECK(parse_hardware_address("52:54:00:Ab:cd:0f").value() == std::array<u8, 6>{0x52, 0x54, 0, 0xab, 0xcd, 0x0f});
    for (auto const* word : {"", "52:54:00:ab:cd", "52:54:00:ab:cd:0f:1", "53:54:00:ab:cd:0f", "00:00:00:00:00:00", "5:54:00:ab:cd:0f", "52:54:00:ab:cd:0g", "52-54-00-ab-cd-0f"}) {
        CAPTURE(word);
        CHECK(!parse_hardware_address(word));
    }
    CHECK(usual_address("a", 0) == usual_address("a", 0));
    CHECK(usual_address("a", 0) != usual_address("b", 0));
    CHECK(usual_address("a", 0) != usual_address("a", 1));
    CHECK((usual_address("a", 0)[0] & 3) == 2);
    CHECK(parse_mode("isolated").value() == abi::NetworkMode::isolated);
    CHECK(parse_mode("nat").value() == abi::NetworkMode::nat);
    CHECK(parse_mode("bridge").value() == abi::NetworkMode::bridge);
    CHECK(!parse_mode("open"));
    auto const forward = parse_forward("udp:2222:53").value();
    CHECK(forward.protocol == 17);
    CHECK(forward.port == 2222);
    CHECK(forward.guest_port == 53);
    for (auto const* word : {"", "tcp", "tcp:2222", "tcp:2222:22:1", "icmp:1:1", "tcp:0:22", "tcp:22:65536", "tcp: 1:2", "tcp:-1:2", ":1:2"}) {
        CAPTURE(word);
        CHECK(!parse_forward(word));
    }
}
