// SPDX-License-Identifier: Apache-2.0
//
// See connection.hpp. A machine is a socket in the folder of this user's machines (control.hpp).
#include "tools/kennel/connection.hpp"
#include "tools/kennel/control.hpp"
#include "tools/kennel/spelling.hpp"
#include <algorithm>
#include <cstring>
#include <map>
#include <sys/socket.h>

namespace kennel::tool {

namespace {

constexpr usize longest_answer = 1 << 20;               // bytes; what Control holds back for us at most

} // namespace

Or<Connection> Connection::open(std::string const& socket, std::string const& machine)
{
    if (!socket.empty()) {
        Handle connection{connect_to(socket)};
        if (connection.number < 0)
            return machine_failed("{}: no machine listens there", socket);
        return Connection{std::move(connection)};
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
    auto const chosen = machine.empty() && found.size() == 1 ? found.begin() : found.find(machine);
    if (found.empty())
        return machine_failed("no machine is running here (kennel run starts one)");
    if (chosen == found.end() && machine.empty())
        return bad_usage("{} machines are running: {}; choose one by --machine=NAME", found.size(), one_of(names));
    if (chosen == found.end())
        return bad_usage("no machine '{}' is running{}", shortened(machine), suggestion(machine, names).empty() ? ": " + one_of(names) : suggestion(machine, names));
    return Connection{std::move(chosen->second)};
}

// Up to the end of a line and not a byte further, whatever pieces it comes in.
Or<std::string> Connection::line(usize longest, Time until)
{
    std::string line;
    while (!line.ends_with('\n')) {
        auto const rest = std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
        pollfd wanted{handle_.number, POLLIN, 0};
        if (rest.count() <= 0 || poll(&wanted, 1, static_cast<int>(rest.count())) == 0)
            return machine_failed("the machine does not answer");
        char bytes[1024];
        auto const there = recv(handle_.number, bytes, sizeof bytes, MSG_PEEK);
        if (there < 0 && errno == EINTR)
            continue;
        if (there <= 0)
            return machine_failed("the machine has ended");
        auto const* const end = std::find(bytes, bytes + there, '\n');
        auto const count = static_cast<usize>(end - bytes) + (end != bytes + there ? 1 : 0);
        if (recv(handle_.number, bytes, count, 0) != static_cast<ssize_t>(count))
            return machine_failed("the machine has ended");
        line.append(bytes, count);
        if (line.size() > longest)
            return machine_failed("what listens there is no machine: its answer does not end");
    }
    line.pop_back();
    return line;
}

Or<std::vector<std::string>> Connection::ask(std::string_view request, std::chrono::milliseconds patience)
{
    auto const text = std::format("{}\n", request);
    if (std::ranges::any_of(request, [](char c) { return c < ' ' || c > '~'; }))      // a second line would be a second request
        return bad_usage("a guest's name has printable characters only");
    auto const until = std::chrono::steady_clock::now() + patience;
    if (send(handle_.number, text.data(), text.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(text.size()))
        return machine_failed("the machine has ended");
    std::vector<std::string> lines;
    for (usize size = 0;;) {
        auto line = TRY(Connection::line(longest_answer - size, until));
        if (line == "end ok")
            return lines;
        if (line.starts_with("end error "))
            return bad_usage("{}", line.substr(std::strlen("end error ")));
        size += line.size() + 1;
        lines.push_back(std::move(line));
    }
}

} // namespace kennel::tool
