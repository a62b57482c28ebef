// SPDX-License-Identifier: Apache-2.0
//
// The running machine, for other programs of the same user: a Unix socket, and behind it the machine's monitor.
//
//   a client writes    COMMAND [GUEST] \n        as the monitor knows them (drivers/monitor/command.hpp)
//   and gets           lines, then  end ok  or  end error TEXT
//   or writes          console \n                gets  end ok,  and from then on the console's bytes, both ways
//
// Requests of all clients take turns at the machine. A client that does not read is dropped; one that goes away is forgotten.
#pragma once
#include "tools/kennel/file.hpp"
#include <chrono>
#include <deque>
#include <optional>
#include <poll.h>
#include <string>
#include <vector>

namespace kennel::tool {

// The folder of this user's machines, made where it is missing: $XDG_RUNTIME_DIR/kennel, else /tmp/kennel-UID.
Or<fs::path> machines_folder();

// A connection to such a socket; -1: nobody listens there.
int connect_to(fs::path const& path);

class Control {
public:
    using Time = std::chrono::steady_clock::time_point;

    static Or<Control> open(fs::path const& path);
    static Or<Control> open_named(std::string_view name);   // NAME.sock in that folder, or NAME-2.sock and so on

    Control(Control&& other) noexcept;
    Control& operator=(Control&&) = delete;
    ~Control();                                             // the socket's name goes, too

    fs::path const& path() const { return path_; }

    // One turn of the session's loop: what to wait for, and what came of it. `ready`: the monitor listens.
    void poll_on(std::vector<pollfd>& wanted) const;
    void serve(std::span<pollfd const> polled, bool ready);
    Time wake_up_at() const;

    std::string take_bytes() { return std::exchange(to_machine_, {}); }   // for the machine's serial port
    void replied(u32 request, std::string_view text);
    void console_said(std::string_view bytes);

private:
    struct Client {
        int         handle;
        u64         number;
        bool        console = false, gone = false;
        std::string in, out;
    };
    struct Request { u64 client; std::string line; };
    struct Current { u64 client; u32 number; Time until; };

    Control(int listener, fs::path path) : listener_{listener}, path_{std::move(path)} {}
    void accept_client();
    void receive(Client& client, bool ready);
    void take_line(Client& client, std::string line, bool ready);
    void answer(u64 client, std::string_view text);
    void send_some(Client& client);
    void ask_next();
    void sweep();

    int                    listener_ = -1;
    fs::path               path_;
    std::vector<Client>    clients_;
    std::deque<Request>    waiting_;
    std::optional<Current> current_;
    std::string            to_machine_;
    u64                    next_client_ = 1;
    u32                    next_request_ = 1;
};

} // namespace kennel::tool
