// SPDX-License-Identifier: Apache-2.0
//
// Configuration files: what they mean, and every fault with line and column, all of them at once.
#include "tools/kennel/configuration.hpp"
#include <cstring>
#include <doctest/doctest.h>

using namespace kennel;
using namespace kennel::tool;

namespace {

// A folder with a kernel (at 16 MiB, 1 MiB large) and an initrd, and configurations that name them.
struct Folder {
    TemporaryFolder folder = TemporaryFolder::create().value();

    Folder()
    {
        std::vector<u8> kernel(8192);
        auto const put = [&](usize offset, auto value) { std::memcpy(kernel.data() + offset, &value, sizeof value); };
        put(0x1f1, u8{1});
        put(0x202, u32{0x53726448});
        put(0x206, u16{0x20c});
        put(0x211, u8{1});
        put(0x236, u16{1});
        put(0x238, u32{2047});
        put(0x258, u64{16} << 20);
        put(0x260, u32{1} << 20);
        CHECK(write_file(folder.path() / "k", kernel));
        CHECK(write_file(folder.path() / "i", std::string_view{"070701"}));
    }

    std::optional<Configuration> parse(std::string_view text, std::vector<std::string>* lines = nullptr)
    {
        Problems problems{"c"};
        auto configuration = parse_configuration(text, folder.path(), problems);
        if (lines != nullptr)
            *lines = problems.lines();
        CHECK(configuration.has_value() == problems.empty());
        return configuration;
    }

    std::vector<std::string> faults(std::string_view text)
    {
        std::vector<std::string> lines;
        parse(text, &lines);
        for (auto& line : lines)                          // the folder's name is a new one each time
            if (auto const at = line.find(folder.path().string() + '/'); at != line.npos)
                line.erase(at, folder.path().string().size() + 1);
        return lines;
    }

    std::string fault(std::string_view text)
    {
        auto const lines = faults(text);
        return lines.empty() ? "accepted" : lines.size() == 1 ? lines[0] : "several";
    }

    // One line more in an otherwise good guest: its fault. The line is line 5.
    std::string guest_fault(std::string const& line)
    {
        return fault("[[guest]]\nname = \"a\"\nmemory = \"32m\"\nkernel = \"k\"\n" + line);
    }
};

std::string const guest = "[[guest]]\nname = \"a\"\nmemory = \"32m\"\nkernel = \"k\"\n";

} // namespace

TEST_CASE("configuration: the shortest, with its defaults")
{
    Folder folder;
    auto const configuration = folder.parse(guest);
    REQUIRE(configuration);
    CHECK(configuration->cpus == 1);
    CHECK(configuration->memory == 0);
    REQUIRE(configuration->plan.services.size() == 1);
    CHECK(configuration->plan.services[0].owns_devices);
    auto const& a = configuration->plan.guests.at(0);
    CHECK(a.name == "a");
    CHECK(a.memory == 32 << 20);
    CHECK(a.kernel == folder.folder.path() / "k");
    CHECK(!a.initrd);
    CHECK(a.command_line == "console=ttyS0");
    CHECK(a.cpu == abi::any_cpu);
    CHECK(a.weight == 100);
    CHECK(a.policy == abi::StopPolicy::stop);
    CHECK(a.attached);
}

TEST_CASE("configuration: every key")
{
    Folder folder;
    auto const configuration = folder.parse(R"(
[machine]
cpus = 4
memory = "1g"
trust_guests = true
verbose = true
log_on_console = true
[[service]]
name = "one"
memory = "64m"
devices = false
[[service]]
name = "two"
devices = true
[[guest]]
name = "a"
memory = "31m"
kernel = "k"
initrd = "i"
command_line = "quiet console=hvc0"
cpus = 1
cpu = 3
weight = 7
policy = "hold"
service = "two"
console = false
[[guest]]
name = "b"
memory = "32m"
kernel = "k"
command_line = "x y"
policy = "restart"
console = true
)");
    REQUIRE(configuration);
    CHECK(configuration->cpus == 4);
    CHECK(configuration->memory == 1 << 30);
    CHECK(configuration->plan.options == 14);
    REQUIRE(configuration->plan.services.size() == 2);
    CHECK(configuration->plan.services[0].memory == 64 << 20);
    CHECK(!configuration->plan.services[0].owns_devices);
    CHECK(configuration->plan.services[1].owns_devices);
    auto const& guests = configuration->plan.guests;
    REQUIRE(guests.size() == 2);
    CHECK(guests[0].memory == 32 << 20);
    CHECK(guests[0].initrd == folder.folder.path() / "i");
    CHECK(guests[0].command_line == "quiet console=hvc0");
    CHECK(guests[0].cpu == 3);
    CHECK(guests[0].weight == 7);
    CHECK(guests[0].policy == abi::StopPolicy::hold);
    CHECK(guests[0].service == 1);
    CHECK(!guests[0].attached);
    CHECK(guests[1].command_line == "console=ttyS0 x y");
    CHECK(guests[1].policy == abi::StopPolicy::restart);
    CHECK(guests[1].attached);
}

TEST_CASE("configuration: the machine has the CPUs its guests name")
{
    Folder folder;
    CHECK(folder.parse(guest + "cpu = 5\n")->cpus == 6);
}

TEST_CASE("configuration: all faults at once, in the order of the file")
{
    Folder folder;
    CHECK(folder.faults("[machine]\ncpus = 0\nmemroy = \"1g\"\n[[guest]]\nname = \"a b\"\nmemory = 5\nkernel = \"none\"\npolicy = \"stopp\"\n[[guest]]\n") ==
          std::vector<std::string>{
              "c:2:8: machine: 'cpus' is 0; 1 to 32 are possible",
              "c:3:1: machine: unknown key 'memroy'; did you mean 'memory'?",
              "c:5:8: guest a b: guest name 'a b': 1 to 31 printable ASCII characters without spaces are allowed",
              "c:6:10: guest a b: 'memory' is a number; a size as a text with its unit, memory = \"128m\", is wanted",
              "c:7:10: guest a b: none: no such file",
              "c:8:10: guest a b: 'policy' is 'stopp'; stop, restart or hold is possible; did you mean 'stop'?",
              "c:9:1: guest 2: 'name' is missing",
              "c:9:1: guest 2: 'memory' is missing",
              "c:9:1: guest 2: 'kernel' is missing",
          });
}

TEST_CASE("configuration: what is no TOML, and what is no table")
{
    Folder folder;
    CHECK(folder.fault("").starts_with("c: there is no guest"));
    CHECK(folder.fault("[[guest]\n").starts_with("c:1:9: not TOML"));
    CHECK(folder.fault(guest + "name = \"b\"\n").starts_with("c:5:8: not TOML"));   // twice
    CHECK(folder.fault("a = \"\xff\"\n").contains("not TOML"));
    CHECK(folder.fault("guest = []\n").starts_with("c:1:9: there is no guest"));
    CHECK(folder.fault("guest = 3\n") == "c:1:9: the file: 'guest' is a number; a table for each, [[guest]], is wanted");
    CHECK(folder.fault("guest = [3]\n") == "c:1:10: the file: 'guest' holds a number; tables are wanted");
    CHECK(folder.fault("machine = 1979-05-27\n" + guest) == "c:1:11: the file: 'machine' is a date or time; a table, [machine], is wanted");
    CHECK(folder.fault(guest + "[guests]\n") == "c:5:2: the file: unknown key 'guests'; did you mean 'guest'?");
}

TEST_CASE("configuration: values of a guest")
{
    Folder folder;
    CHECK(folder.guest_fault("weight = 1001") == "c:5:10: guest a: 'weight' is 1001; 1 to 1000 are possible");
    CHECK(folder.guest_fault("weight = -1") == "c:5:10: guest a: 'weight' is -1; 1 to 1000 are possible");
    CHECK(folder.guest_fault("weight = 1.5") == "c:5:10: guest a: 'weight' is a fraction; a number from 1 to 1000 is wanted");
    CHECK(folder.guest_fault("cpu = 32") == "c:5:7: guest a: 'cpu' is 32; 0 to 31 are possible");
    CHECK(folder.guest_fault("cpus = 2") == "c:5:8: guest a: only 1 is possible: guests with several processors are not there yet");
    CHECK(folder.guest_fault("console = \"yes\"") == "c:5:11: guest a: 'console' is a text; true or false, without quotes, is wanted");
    CHECK(folder.guest_fault("service = \"servce\"") == "c:5:11: guest a: there is no service 'servce': service is possible; did you mean 'service'?");
    CHECK(folder.guest_fault("command_line = \"\\u0001\"") == "c:5:16: guest a: the command line holds a character that is not printable ASCII");
    CHECK(folder.guest_fault("command_line = \"" + std::string(3000, 'x') + '"') == "c:5:16: guest a: the command line has 3014 characters; k takes 2047");
    CHECK(folder.guest_fault("initrd = \"k\"").contains("a Linux kernel, not an initrd"));
    CHECK(folder.guest_fault("initrd = \".\"").contains("a folder, not a file"));
    CHECK(folder.guest_fault("initrd = \"\"") == "c:5:10: guest a: 'initrd' names no file");
    CHECK(folder.guest_fault("initrd = \"i\\u0000\"") == "c:5:10: guest a: 'initrd' names no file");
    CHECK(folder.fault("[[guest]]\nname = \"a\"\nmemory = \"2m\"\nkernel = \"k\"\n") == "c:3:10: guest a: 2m is too little memory for k: it takes at least 18m");
}

TEST_CASE("configuration: names that are taken say by whom")
{
    Folder folder;
    CHECK(folder.fault(guest + guest) == "c:6:8: guest a: the name 'a' is taken: line 2 has it");
    CHECK(folder.fault("[[service]]\nname = \"s\"\nmemory = \"64m\"\n[[service]]\nname = \"s\"\n" + guest) == "c:5:8: service s: the name 's' is taken: line 2 has it");
    CHECK(folder.fault("[[guest]]\nconsole = true\nname = \"b\"\nmemory = \"32m\"\nkernel = \"k\"\n" + guest + "console = true\n").starts_with("c:10:11: guest a: console ="));
}

TEST_CASE("configuration: a key in the wrong table says in which it belongs")
{
    Folder folder;
    CHECK(folder.fault("weight = 5\n" + guest) == "c:1:1: the file: unknown key 'weight'; it is a key of [[guest]]");
    CHECK(folder.fault(guest + "[[guest.disk]]\nram = \"1m\"\npolicy = \"hold\"\n") == "c:7:1: guest a: disk 1: unknown key 'policy'; it is a key of [[guest]]");
    CHECK(folder.fault(guest + "[[disk]]\nram = \"1m\"\n") == "c:5:3: the file: unknown key 'disk'; it is a key of [[guest]]");
    CHECK(folder.fault(guest + "mtu = 1500\n") == "c:5:1: guest a: unknown key 'mtu'; it is a key of [[guest.net]]");
    CHECK(folder.fault("verbos = true\n" + guest).contains("allowed are machine"));
}

TEST_CASE("configuration: sums")
{
    Folder folder;
    CHECK(folder.fault("[machine]\nmemory = \"100m\"\n" + guest) ==
          "c:2:10: machine: 100m is too little: the guests have 32m, and with services, files and the hypervisor at least 194m is needed");
    CHECK(folder.fault("[machine]\ncpus = 2\n" + guest + "cpu = 2\n") == "c:7:7: guest a: 'cpu' is 2, but the machine has 2 (line 2): 0 to 1 are possible");
    CHECK(folder.fault("[machine]\ncpus = 1\n" + guest + "cpu = 1\n") == "c:7:7: guest a: 'cpu' is 1, but the machine has 1 (line 2): only 0 is possible");
    CHECK(folder.fault("[[service]]\nmemory = \"32m\"\n" + guest) == "c:2:10: service 1: 32m is too little: its guests alone have 32m");
    CHECK(folder.fault("[[service]]\n[[service]]\n" + guest).starts_with("c:2:1: service 2: only one service"));
    CHECK(folder.fault("[[service]]\ndevices = false\n" + guest).starts_with("c:2:11: service 1: no service owns the devices"));
    CHECK(folder.fault("[[service]]\ndevices = true\n[[service]]\nmemory = \"2m\"\ndevices = true\n" + guest).starts_with("c:5:11: service 2: another service owns"));
    std::string many;
    for (int i = 0; i < 33; i++)
        many += "[[guest]]\nname = \"g" + std::to_string(i) + "\"\nmemory = \"32m\"\nkernel = \"k\"\n";
    CHECK(folder.fault(many) == "c:129:1: guest g32: there are 33 guests; 32 are possible");
}

TEST_CASE("configuration: networks and cards, and what is wrong with them")
{
    Folder folder;
    std::string const one = "[[guest]]\nname = \"a\"\nmemory = \"64m\"\nkernel = \"k\"\n";
    auto const configuration = folder.parse("[[network]]\nname = \"lan\"\n[[network]]\nname = \"two\"\nmode = \"isolated\"\n" + one +
        "[[guest.net]]\nnetwork = \"lan\"\nforwards = \"tcp:2222:22 udp:53:53\"\n[[guest.net]]\nnetwork = \"two\"\naddress = \"52:54:00:00:00:07\"\nmtu = 9000\nany_source = true\n");
    REQUIRE(configuration);
    Plan const& plan = configuration->plan;
    REQUIRE(plan.networks.size() == 2);
    CHECK(plan.networks[0].mode == abi::NetworkMode::nat);
    CHECK(plan.networks[1].mode == abi::NetworkMode::isolated);
    REQUIRE(plan.guests[0].cards.size() == 2);
    CHECK(plan.guests[0].cards[0].forwards.size() == 2);
    CHECK(plan.guests[0].cards[0].forwards[0].guest_port == 22);
    CHECK(plan.guests[0].cards[1].mtu == 9000);
    CHECK(plan.guests[0].cards[1].any_source);

    std::string const card = "[[guest.net]]\nnetwork = \"lan\"\n";
    CHECK(folder.fault(one + card) == "c:6:11: guest a: net 1: there is no network 'lan': a table [[network]] with that name is needed");
    std::string const lan = "[[network]]\nname = \"lan\"\n";
    CHECK(folder.fault(lan + one + "[[guest.net]]\nnetwork = \"lam\"\n").contains("did you mean 'lan'?"));
    CHECK(folder.fault(lan + one + card + "mtu = 20\n").contains("68 to 9000"));
    CHECK(folder.fault(lan + one + card + "forwards = \"tcp:1:1 tcp:1:2\"\n").contains("is taken"));
    CHECK(folder.fault(lan + "mode = \"isolated\"\n" + one + card + "forwards = \"tcp:1:1\"\n").contains("not in mode nat"));
    CHECK(folder.fault(lan + lan + one).contains("is taken: line 2 has it"));
}
