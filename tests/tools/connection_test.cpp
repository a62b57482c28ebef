// SPDX-License-Identifier: Apache-2.0
//
// Asking a running machine, with this test as the machine: answers whole, in pieces, broken, endless and none; and which machine is meant.
#include "tools/kennel/connection.hpp"
#include "tools/kennel/control.hpp"
#include <cstdlib>
#include <cstring>
#include <doctest/doctest.h>
#include <fstream>
#include <functional>
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>

using namespace kennel;
using namespace kennel::tool;
using namespace std::chrono_literals;

namespace {

int listener_at(fs::path const& path)
{
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    int const handle = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(handle, reinterpret_cast<sockaddr const*>(&address), sizeof address) == 0);
    CHECK(listen(handle, 16) == 0);
    return handle;
}

bool say(int client, std::string_view bytes) { return send(client, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size()); }

// A machine that does what the test says with the one who connects, and hangs up.
class FakeMachine {
public:
    explicit FakeMachine(std::function<void(int client)> play)
        : listener_{listener_at(path())}, thread_{[this, play = std::move(play)] {
              Handle const client{accept(listener_.number, nullptr, nullptr)};
              play(client.number);
          }} {}
    ~FakeMachine() { thread_.join(); }
    FakeMachine(FakeMachine const&) = delete;
    FakeMachine& operator=(FakeMachine const&) = delete;

    Connection connect() const { return *Connection::open(path().string(), ""); }

private:
    fs::path path() const { return folder_.path() / "dog.sock"; }
    TemporaryFolder folder_ = *TemporaryFolder::create();
    Handle          listener_;
    std::thread     thread_;
};

// All that the client says, until it hangs up.
std::string heard_until_end(int client)
{
    std::string text;
    for (char c; recv(client, &c, 1, 0) == 1;)
        text += c;
    return text;
}

std::string heard_line(int client)
{
    std::string line;
    for (char c; !line.ends_with('\n') && recv(client, &c, 1, 0) == 1;)
        line += c;
    return line;
}

// How asking a machine ends that answers so and hangs up.
Fault fault_of(std::string answer)
{
    FakeMachine const machine{[&](int client) { heard_line(client), say(client, answer); }};
    auto const lines = machine.connect().ask("list");
    REQUIRE(!lines.has_value());
    return lines.error();
}

// The folder of this user's machines, elsewhere while a test runs.
struct MachinesFolder {
    TemporaryFolder folder = *TemporaryFolder::create();
    std::string     before = std::getenv("XDG_RUNTIME_DIR") != nullptr ? std::getenv("XDG_RUNTIME_DIR") : "";
    MachinesFolder() { setenv("XDG_RUNTIME_DIR", folder.path().c_str(), 1); }
    ~MachinesFolder() { before.empty() ? unsetenv("XDG_RUNTIME_DIR") : setenv("XDG_RUNTIME_DIR", before.c_str(), 1); }
    MachinesFolder(MachinesFolder const&) = delete;
    MachinesFolder& operator=(MachinesFolder const&) = delete;
    std::string at(std::string_view name) const { return (*machines_folder() / name).string(); }
};

void check_fault(Or<Connection> const& connection, ExitStatus status, std::string_view text)
{
    REQUIRE(!connection.has_value());
    CHECK(connection.error().status == status);
    CHECK(connection.error().text == text);
}

} // namespace

TEST_CASE("connection: an answer is the same whatever pieces it comes in")
{
    for (usize const piece : {1uz, 2uz, 7uz, 100uz}) {
        std::string asked;
        {
            FakeMachine const machine{[&](int client) {
                asked = heard_line(client);
                std::string_view const answer = "guest name=dog state=running\n\nguest name=cat\nend ok\n";
                for (usize at = 0; at < answer.size(); at += piece) {
                    CHECK(say(client, answer.substr(at, piece)));
                    std::this_thread::yield();
                }
            }};
            auto const lines = machine.connect().ask("list");
            REQUIRE(lines.has_value());
            CHECK(*lines == std::vector<std::string>{"guest name=dog state=running", "", "guest name=cat"});
        }
        CHECK(asked == "list\n");
    }
}

TEST_CASE("connection: what comes behind an answer stays there, and a second request has its own")
{
    FakeMachine const machine{[](int client) {
        heard_line(client);
        say(client, "guest name=dog\nend ok\n");
        heard_line(client);
        say(client, "end ok\nend ok\nshell # ");
    }};
    auto connection = machine.connect();
    CHECK(connection.ask("list")->size() == 1);
    CHECK(connection.ask("console")->empty());
    char bytes[100];
    CHECK(std::string_view(bytes, static_cast<usize>(recv(connection.handle(), bytes, sizeof bytes, 0))) == "end ok\nshell # ");
}

TEST_CASE("connection: a refusal is bad usage, in the machine's words")
{
    auto const fault = fault_of("guest name=dog\nend error there is no guest 'cat'\n");
    CHECK(fault.status == ExitStatus::bad_usage);
    CHECK(fault.text == "there is no guest 'cat'");
}

TEST_CASE("connection: a machine that ends before its answer does")
{
    for (std::string const answer : {"", "guest na", "guest name=dog\n", "guest name=dog\nend ok", "end error no ne"}) {
        auto const fault = fault_of(answer);
        CHECK(fault.status == ExitStatus::machine_failed);
        CHECK(fault.text == "the machine has ended");
    }
}

TEST_CASE("connection: a machine that says nothing, or only a part, is not awaited for ever")
{
    for (std::string_view const answer : {"", "guest name=dog\nen"}) {
        FakeMachine const machine{[&](int client) { say(client, answer), heard_until_end(client); }};
        auto const lines = machine.connect().ask("list", 50ms);
        REQUIRE(!lines.has_value());
        CHECK(lines.error().status == ExitStatus::machine_failed);
        CHECK(lines.error().text == "the machine does not answer");
    }
}

TEST_CASE("connection: an answer without an end is given up")
{
    for (std::string const& piece : {std::string(1000, 'x'), std::string("guest name=dog\n")}) {
        FakeMachine const machine{[&](int client) { while (say(client, piece)) {} }};
        auto const lines = machine.connect().ask("list");
        REQUIRE(!lines.has_value());
        CHECK(lines.error().status == ExitStatus::machine_failed);
        CHECK(lines.error().text == "what listens there is no machine: its answer does not end");
    }
}

TEST_CASE("connection: any bytes make lines")
{
    using namespace std::string_literals;
    FakeMachine const machine{[](int client) { heard_line(client), say(client, "\0\xff\x1b[2J\r\nend of it\nend ok \nend ok\n"s); }};
    auto const lines = machine.connect().ask("list");
    REQUIRE(lines.has_value());
    CHECK(*lines == std::vector<std::string>{"\0\xff\x1b[2J\r"s, "end of it", "end ok "});
}

TEST_CASE("connection: a name cannot hide a second request")
{
    std::string asked;
    {
        FakeMachine const machine{[&](int client) { asked = heard_until_end(client); }};
        auto const lines = machine.connect().ask("stop dog\npoweroff");
        REQUIRE(!lines.has_value());
        CHECK(lines.error().status == ExitStatus::bad_usage);
    }
    CHECK(asked == "");
}

TEST_CASE("connection: which machine is meant")
{
    MachinesFolder const machines;
    check_fault(Connection::open("", ""), ExitStatus::machine_failed, "no machine is running here (kennel run starts one)");
    check_fault(Connection::open("", "dog"), ExitStatus::machine_failed, "no machine is running here (kennel run starts one)");
    check_fault(Connection::open("/nowhere", ""), ExitStatus::machine_failed, "/nowhere: no machine listens there");

    std::ofstream{machines.at("notes.txt")} << "no machine";
    std::ofstream{machines.at("file.sock")} << "none either";
    { Handle const killed{listener_at(machines.at("killed.sock"))}; }       // its socket's name stays
    check_fault(Connection::open("", ""), ExitStatus::machine_failed, "no machine is running here (kennel run starts one)");
    check_fault(Connection::open(machines.at("file.sock"), ""), ExitStatus::machine_failed, machines.at("file.sock") + ": no machine listens there");

    Handle const dog{listener_at(machines.at("dog.sock"))};
    CHECK(Connection::open("", "").has_value());
    CHECK(Connection::open("", "dog").has_value());
    check_fault(Connection::open("", "dgo"), ExitStatus::bad_usage, "no machine 'dgo' is running; did you mean 'dog'?");

    Handle const cat{listener_at(machines.at("cat.sock"))};
    check_fault(Connection::open("", ""), ExitStatus::bad_usage, "2 machines are running: cat or dog; choose one by --machine=NAME");
    check_fault(Connection::open("", "elephant"), ExitStatus::bad_usage, "no machine 'elephant' is running: cat or dog");
    check_fault(Connection::open("", "../dog"), ExitStatus::bad_usage, "no machine '../dog' is running: cat or dog");
    CHECK(Connection::open("", "cat").has_value());
}
