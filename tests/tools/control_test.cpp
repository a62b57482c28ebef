// SPDX-License-Identifier: Apache-2.0
//
// What other programs ask of a running machine: its socket, with this test as the machine and as the client; and the monitor's lines.
#include "tools/kennel/control.hpp"
#include "tools/kennel/record.hpp"
#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

using namespace kennel;
using namespace kennel::tool;

namespace {

struct Machine {
    TemporaryFolder folder = *TemporaryFolder::create();
    Control         control = *Control::open(folder.path() / "dog.sock");

    void turn(bool ready = true)
    {
        std::vector<pollfd> wanted;
        control.poll_on(wanted);
        poll(wanted.data(), wanted.size(), 0);
        control.serve(wanted, ready);
    }
};

struct Client {
    int handle;
    explicit Client(Machine& machine, std::string_view words) : handle{connect_to(machine.control.path())}
    {
        CHECK(write(handle, words.data(), words.size()) == static_cast<ssize_t>(words.size()));
    }
    ~Client() { close(handle); }
    Client(Client const&) = delete;
    Client& operator=(Client const&) = delete;
    std::string heard() const
    {
        char bytes[4096];
        auto const count = recv(handle, bytes, sizeof bytes, MSG_DONTWAIT);
        return count > 0 ? std::string(bytes, static_cast<usize>(count)) : "";
    }
};

} // namespace

TEST_CASE("control: requests take turns, and each client gets its own answer")
{
    Machine machine;
    Client early{machine, "list\n"};
    for (u32 i = 0; i < 3; i++)
        machine.turn(false);                           // nobody listens yet
    CHECK(machine.control.take_bytes() == "");
    CHECK(early.heard().starts_with("end error "));
    Client one{machine, "list\n"}, two{machine, "stop dog\n"};
    for (u32 i = 0; i < 4; i++)
        machine.turn();
    CHECK(machine.control.take_bytes() == "\x1dr1 list\n");
    machine.control.replied(7, "guest name=cat");      // of another time
    machine.control.replied(1, "guest name=dog");
    machine.control.replied(1, "end ok");
    for (u32 i = 0; i < 3; i++)
        machine.turn();
    CHECK(one.heard() == "guest name=dog\nend ok\n");
    CHECK(two.heard() == "");
    CHECK(machine.control.take_bytes() == "\x1dr2 stop dog\n");
    machine.control.replied(2, "end error there is no guest 'dog'");
    machine.turn();
    CHECK(two.heard() == "end error there is no guest 'dog'\n");
}

TEST_CASE("control: its name goes with it")
{
    fs::path path;
    {
        Machine machine;
        path = machine.control.path();
        CHECK(fs::exists(path));
        CHECK(!Control::open(path).has_value());       // a machine is there already
    }
    CHECK(connect_to(path) == -1);
}

TEST_CASE("record: a line of the monitor's taken apart, whatever is in it")
{
    auto const record = Record::parse("disk name=dog disk=1 requests=12 empty= strange=1x a=b=c word");
    CHECK(record.kind == "disk");
    CHECK(record.text("name") == "dog");
    CHECK(record.number("requests") == 12);
    CHECK(record.number("strange") == 0);
    CHECK(record.number("nothing") == 0);
    CHECK(record.text("empty") == "");
    CHECK(record.text("a") == "b=c");
    CHECK(record.words.size() == 6);
    CHECK(record.identity() == "disk dog 1 ");
    CHECK(Record::parse("").kind == "");
    CHECK(Record::parse("x n=99999999999999999999999").number("n") == 0);
    CHECK(Record::parse("x n=-1").number("n") == 0);
}
