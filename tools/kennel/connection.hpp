// SPDX-License-Identifier: Apache-2.0
//
// A running machine, for the verbs that ask it something: the other end of control.hpp's socket.
#pragma once
#include "tools/kennel/fault.hpp"
#include "tools/kennel/handle.hpp"
#include <chrono>
#include <string>
#include <vector>

namespace kennel::tool {

class Connection {
public:
    // The machine that listens at this socket; where none is named, the one of this name among the user's machines; where neither
    // is, the only one.
    static Or<Connection> open(std::string const& socket, std::string const& machine);

    // One request, and all lines of its answer but the last. A refusal is bad usage; no answer, or none of a machine's, its failure.
    // The machine itself gives up after 30 s, and says so.
    Or<std::vector<std::string>> ask(std::string_view request, std::chrono::milliseconds patience = std::chrono::seconds{40});

    int handle() const { return handle_.number; }       // nothing that came behind the answer has been taken from it

private:
    using Time = std::chrono::steady_clock::time_point;

    explicit Connection(Handle handle) : handle_{std::move(handle)} {}
    Or<std::string> line(usize longest, Time until);

    Handle handle_;
};

} // namespace kennel::tool
