// SPDX-License-Identifier: Apache-2.0
//
// From a description to the manifest, and back through the reader that the machine uses.
#include "tools/kennel/manifest.hpp"
#include "hv/lib/manifest.hpp"
#include "tools/kennel/description.hpp"
#include <doctest/doctest.h>
#include <utility>

using namespace kennel;
using namespace kennel::tool;

namespace {

std::string fault(std::string_view text)
{
    auto const plan = parse_description(text, "d", "/");
    return plan ? "accepted" : plan.error().text;
}

struct Folder {
    TemporaryFolder folder = TemporaryFolder::create().value();
    fs::path file(std::string_view name, std::string_view text = "x")
    {
        fs::create_directories((folder.path() / name).parent_path());
        CHECK(write_file(folder.path() / name, text));
        return folder.path() / name;
    }
};

} // namespace

TEST_CASE("tools: a description with all its keys")
{
    auto const plan = parse_description(R"({"services": [{"name": "a", "memory": "64m"}, {"name": "b", "owns_devices": false}],
        "guests": [{"name": "g", "memory": "128m", "kernel": "k", "initrd": "i", "arguments": "quiet x=1", "service": 1, "cpu": 1,
                    "weight": 50, "policy": "hold", "attached": true}], "options": ["trust_guests"]})", "d", "/folder");
    REQUIRE(plan);
    CHECK(plan->services.size() == 2);
    CHECK(plan->services[0].owns_devices);
    CHECK(!plan->services[1].owns_devices);
    auto const& guest = plan->guests.at(0);
    CHECK(guest.kernel == "/folder/k");
    CHECK(guest.initrd == fs::path{"/folder/i"});
    CHECK(guest.command_line == "console=ttyS0 quiet x=1");
    CHECK(guest.service == 1);
    CHECK(guest.cpu == 1);
    CHECK(guest.weight == 50);
    CHECK(guest.policy == abi::StopPolicy::hold);
    CHECK(plan->options == static_cast<u32>(abi::MachineOption::trust_guests));
}

TEST_CASE("tools: a bad description is refused with the place")
{
    CHECK(fault("{") == "d: not a JSON file");
    CHECK(fault("[]") == "d: an object is wanted");
    CHECK(fault(R"({"guest": []})") == "d: unknown key \"guest\"");
    CHECK(fault(R"({"guests": 1})") == "d: \"guests\" must be a list");
    CHECK(fault(R"({"guests": [{"memory": "1m", "kernel": "k"}]})") == "d: guest 0: \"name\" must be given as a text");
    CHECK(fault(R"({"guests": [{"name": "a", "memory": 5, "kernel": "k"}]})") == "d: guest 0: \"memory\" must be given as a text");
    CHECK(fault(R"({"guests": [{"name": "a", "memory": "1m", "kernel": "k", "cpu": -1}]})") == "d: guest 0: \"cpu\" must be a number from 0");
    CHECK(fault(R"({"guests": [{"name": "a", "memory": "1m", "kernel": "k", "policy": "x"}]})").contains("stop, restart or hold"));
    CHECK(fault(R"({"options": ["fast"]})").contains("unknown option fast"));
}

TEST_CASE("tools: the manifest says what the plan says")
{
    Folder folder;
    auto const kernel = folder.file("one/vmlinuz", "kernel"), other = folder.file("two/VMLINUZ"), initrd = folder.file("initrd.img", "1234");
    Plan plan;
    plan.services = {{.name = "s0", .memory = 64 << 20, .owns_devices = true}, {.name = "s1", .memory = 0, .owns_devices = false}};
    plan.guests.resize(3);
    for (u32 i = 0; i < 3; i++) {
        plan.guests[i].name = std::string{"guest"} + std::to_string(i);
        plan.guests[i].memory = u64{64 + 2 * i} << 20;
        plan.guests[i].kernel = i == 2 ? other : kernel;
        plan.guests[i].command_line = std::string(i, 'x');
    }
    plan.guests[1].service = 1;
    plan.guests[1].initrd = initrd;
    plan.guests[2].attached = true;
    plan.options = static_cast<u32>(abi::MachineOption::emulator_exit);

    auto const manifest = make_manifest(plan);
    REQUIRE(manifest);
    auto const reader = ManifestReader::parse(manifest->bytes);
    REQUIRE(reader);
    CHECK(reader->has(abi::MachineOption::emulator_exit));
    CHECK(reader->service_count() == 2);
    CHECK(reader->service(0).memory == 64 << 20);
    REQUIRE(reader->file_count() == 3);
    CHECK(std::string{reader->file(0).name} == "vmlinuz");         // shared by two services
    CHECK(reader->file(0).service == 3);
    CHECK(reader->file(0).size == 6);
    CHECK(std::string{reader->file(1).name} == "initrd.img");
    CHECK(reader->file(1).service == 2);
    CHECK(std::string{reader->file(2).name} == "VMLINUZ-2");       // FAT knows no case
    REQUIRE(reader->guest_count() == 3);
    for (u32 i = 0; i < 3; i++) {
        auto const guest = reader->guest(i);
        CHECK(guest.memory == plan.guests[i].memory);
        CHECK(reader->command_line(guest) == plan.guests[i].command_line);
        CHECK(guest.kernel == (i == 2 ? 2 : 0));
        CHECK(guest.initrd == (i == 1 ? 1 : abi::no_file));
        CHECK(guest.options == (i == 2 ? 1 : 0));
    }
}

TEST_CASE("tools: plans that no machine could run are refused")
{
    auto const fault_of = [](Plan plan) {
        auto const checked = check_plan(plan);
        return checked ? std::string{"accepted"} : checked.error().text;
    };
    Plan plan;
    plan.services.emplace_back();
    CHECK(fault_of(plan).starts_with("0 guests"));
    plan.guests.resize(1);
    plan.guests[0].name = "a b";
    CHECK(fault_of(plan).starts_with("guest name 'a b'"));
    plan.guests[0].name = "a";
    plan.guests[0].weight = 0;
    CHECK(fault_of(plan).contains("not in 1 to 1000"));
    plan.guests[0].weight = 1;
    plan.guests[0].service = 1;
    CHECK(fault_of(plan).contains("no service 1"));
    plan.services.emplace_back();
    CHECK(fault_of(plan).contains("exactly one service"));
}

TEST_CASE("tools: networks and cards in the manifest")
{
    Folder folder;
    folder.file("k");
    auto const with = [&](std::string const& cards, std::string const& networks) {
        return parse_description(R"({"networks": [)" + networks + R"(], "guests": [{"name": "g", "memory": "64m", "kernel": "k", "cards": [)" + cards + "]}]}", "d", folder.folder.path());
    };
    auto const plan = with(R"({"network": "lan"}, {"network": "two", "address": "52:54:00:00:00:07", "mtu": 9000, "any_source": true})", R"({"name": "lan"}, {"name": "two", "mode": "isolated"})");
    REQUIRE(plan);
    auto const manifest = make_manifest(*plan);
    REQUIRE(manifest);
    auto const reader = ManifestReader::parse(manifest->bytes);
    REQUIRE(reader);
    REQUIRE(reader->network_count() == 2);
    REQUIRE(reader->card_count() == 2);
    CHECK(reader->network(1).subnet == 0x0a4e'0100);
    CHECK(reader->card(1).network == 1);
    CHECK(reader->card(1).address[5] == 7);
    CHECK(reader->card(1).mtu == 9000);
    CHECK(reader->card(1).options == 1);
    auto const wrong = make_manifest(with(R"({"network": "x"})", R"({"name": "lan"})").value());
    REQUIRE(!wrong);
    CHECK(wrong.error().text == "guest g: card 0 wants network x, which is not described");
    CHECK(with("", R"({"name": "lan", "mode": "open"})").error().text == "a network's mode is isolated, nat or bridge, not open");
    CHECK(with(R"({"network": "lan", "mtu": 20})", "").error().text.contains("68 to 9000"));
}

TEST_CASE("tools: forwards in the manifest, and what cannot be forwarded")
{
    Folder folder;
    folder.file("k");
    auto const with = [&](std::string const& forwards, std::string const& more = "", std::string const& mode = "nat") {
        auto const plan = parse_description(R"({"networks": [{"name": "lan", "mode": ")" + mode + R"("}], "guests": [{"name": "g", "memory": "64m", "kernel": "k", "cards": [{"network": "lan", "forwards": [)" +
                                                forwards + "]}]}" + more + "]}", "d", folder.folder.path());
        return plan ? make_manifest(*plan) : std::unexpected(plan.error());
    };
    auto const manifest = with(R"("tcp:2222:22", "udp:53:5353")");
    REQUIRE(manifest);
    auto const card = ManifestReader::parse(manifest->bytes)->card(0);
    CHECK(card.forwards[0].port == 2222);
    CHECK(card.forwards[0].guest_port == 22);
    CHECK(card.forwards[0].protocol == 6);
    CHECK(card.forwards[1].protocol == 17);
    CHECK(card.forwards[2].port == 0);
    CHECK(with(R"("tcp:2222:22", "udp:2222:22")"));
    CHECK(with(R"("tcp:2222:22", "tcp:2222:23")").error().text == "tcp port 2222 is forwarded twice");
    CHECK(with(R"("tcp:2222:22", "tcp:2223:22")").error().text == "tcp port 22 is forwarded twice");
    CHECK(with(R"("tcp:2222:22")", R"(, {"name": "h", "memory": "64m", "kernel": "k", "cards": [{"network": "lan", "forwards": ["tcp:2222:80"]}]})").error().text.contains("twice"));
    CHECK(with(R"("tcp:2222:22")", R"(, {"name": "h", "memory": "64m", "kernel": "k", "cards": [{"network": "lan", "forwards": ["tcp:2223:22"]}]})"));
    CHECK(with(R"("tcp:2222:22")", "", "isolated").error().text.contains("not in mode nat"));
    CHECK(with(R"("tcp:1:1","tcp:2:2","tcp:3:3","tcp:4:4","tcp:5:5","tcp:6:6","tcp:7:7","tcp:8:8","tcp:9:9")").error().text.contains("8 are possible"));
    CHECK(with("22").error().text.contains("a forward is a text"));
}
