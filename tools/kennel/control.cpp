// SPDX-License-Identifier: Apache-2.0
//
// See control.hpp.
#include "tools/kennel/control.hpp"
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace kennel::tool {

using namespace std::chrono_literals;

namespace {

constexpr usize most_clients = 16, longest_line = 100, most_waiting = 1 << 20, names_tried = 100;
constexpr auto  patience = 30s;                        // of a request, in which an emulated machine gets far
constexpr char  escape = '\x1d';

Or<sockaddr_un> address_of(fs::path const& path)
{
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.native().size() >= sizeof address.sun_path)
        return bad_usage("{}: too long for a socket's name: {} characters are possible", path.string(), sizeof address.sun_path - 1);
    std::memcpy(address.sun_path, path.c_str(), path.native().size());
    return address;
}

} // namespace

Or<fs::path> machines_folder()
{
    char const* const runtime = std::getenv("XDG_RUNTIME_DIR");
    fs::path const folder = runtime != nullptr && *runtime == '/' ? fs::path{runtime} / "kennel" : fs::path{std::format("/tmp/kennel-{}", geteuid())};
    struct stat status{};
    if (mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST)
        return machine_failed("{}: {}", folder.string(), std::strerror(errno));
    if (lstat(folder.c_str(), &status) != 0 || !S_ISDIR(status.st_mode) || status.st_uid != geteuid() || (status.st_mode & 077) != 0)
        return machine_failed("{}: not a folder of this user alone", folder.string());
    return folder;
}

int connect_to(fs::path const& path)
{
    auto const address = address_of(path);
    int const handle = address ? socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) : -1;
    if (handle >= 0 && connect(handle, reinterpret_cast<sockaddr const*>(&*address), sizeof *address) == 0)
        return handle;
    if (handle >= 0)
        close(handle);
    return -1;
}

Or<Control> Control::open(fs::path const& path)
{
    auto const address = TRY(address_of(path));
    std::error_code error;
    if (fs::is_socket(path, error)) {
        if (int const other = connect_to(path); other >= 0) {
            close(other);
            return bad_usage("{}: another machine listens there", path.string());
        }
        unlink(path.c_str());                          // left by one that was killed
    }
    int const listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mode_t const mask = umask(0177);
    bool const bound = listener >= 0 && bind(listener, reinterpret_cast<sockaddr const*>(&address), sizeof address) == 0 && listen(listener, 8) == 0;
    int const why = errno;
    umask(mask);
    if (!bound) {
        if (listener >= 0)
            close(listener);
        return bad_usage("{}: no socket can be made there: {}", path.string(), std::strerror(why));
    }
    return Control{listener, path};
}

Or<Control> Control::open_named(std::string_view name)
{
    auto const folder = TRY(machines_folder());
    std::string plain;
    for (char const c : name)
        plain += std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_' ? c : '-';
    for (usize i = 1; i < names_tried; i++) {
        fs::path const path = folder / std::format("{}{}.sock", plain, i == 1 ? "" : std::format("-{}", i));
        if (int const other = connect_to(path); other >= 0)
            close(other);
        else
            return open(path);
    }
    return machine_failed("{}: too many machines of this name", folder.string());
}

Control::Control(Control&& other) noexcept
    : listener_{std::exchange(other.listener_, -1)}, path_{std::move(other.path_)}, clients_{std::move(other.clients_)}, waiting_{std::move(other.waiting_)},
      current_{other.current_}, to_machine_{std::move(other.to_machine_)}, next_client_{other.next_client_}, next_request_{other.next_request_} {}

Control::~Control()
{
    if (listener_ < 0)
        return;
    unlink(path_.c_str());
    close(listener_);
    for (Client const& client : clients_)
        close(client.handle);
}

void Control::poll_on(std::vector<pollfd>& wanted) const
{
    wanted.push_back({clients_.size() < most_clients ? listener_ : -1, POLLIN, 0});
    for (Client const& client : clients_)
        wanted.push_back({client.handle, static_cast<short>(client.out.empty() ? POLLIN : POLLIN | POLLOUT), 0});
}

Control::Time Control::wake_up_at() const
{
    return current_ ? current_->until : Time::max();
}

void Control::serve(std::span<pollfd const> polled, bool ready)
{
    for (usize i = 0; i < clients_.size() && i + 1 < polled.size(); i++) {
        if ((polled[i + 1].revents & (POLLIN | POLLHUP | POLLERR)) != 0)
            receive(clients_[i], ready);
        send_some(clients_[i]);
    }
    if (!polled.empty() && polled[0].revents != 0)
        accept_client();
    if (current_ && std::chrono::steady_clock::now() >= current_->until) {
        answer(current_->client, "end error the machine does not answer\n");
        current_.reset();
    }
    ask_next();
    sweep();
}

void Control::accept_client()
{
    int const handle = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (handle >= 0)
        clients_.push_back({.handle = handle, .number = next_client_++, .in = {}, .out = {}});
}

void Control::receive(Client& client, bool ready)
{
    char bytes[1024];
    auto const got = recv(client.handle, bytes, sizeof bytes, 0);
    if (got <= 0) {
        client.gone = got == 0 || (errno != EAGAIN && errno != EINTR);
        return;
    }
    client.in.append(bytes, static_cast<usize>(got));
    for (usize end; !client.console && (end = client.in.find('\n')) != client.in.npos;) {
        auto line = client.in.substr(0, end);
        client.in.erase(0, end + 1);
        take_line(client, std::move(line), ready);
    }
    if (client.console)
        to_machine_ += std::exchange(client.in, {});
    else if (client.in.size() > longest_line)
        client.gone = true;                            // no client of ours
}

void Control::take_line(Client& client, std::string line, bool ready)
{
    if (!ready)
        return answer(client.number, "end error the machine is still starting, or ending; try again\n");
    if (line.size() > longest_line || std::ranges::any_of(line, [](char c) { return c < ' ' || c > '~'; }))
        return answer(client.number, "end error a line of printable characters is wanted, at most 100\n");
    if (line == "console") {
        client.console = true;
        return answer(client.number, "end ok\n");
    }
    waiting_.push_back({client.number, std::move(line)});
}

// One at a time: the monitor knows no more, and an answer belongs to whoever asked.
void Control::ask_next()
{
    if (current_ || waiting_.empty())
        return;
    auto const [client, line] = std::move(waiting_.front());
    waiting_.pop_front();
    current_ = Current{client, next_request_++, std::chrono::steady_clock::now() + patience};
    to_machine_ += std::format("{}r{} {}\n", escape, current_->number, line);
}

void Control::replied(u32 request, std::string_view text)
{
    if (!current_ || current_->number != request)
        return;                                        // of one that was given up
    answer(current_->client, std::format("{}\n", text));
    if (text.starts_with("end "))
        current_.reset();
}

void Control::console_said(std::string_view bytes)
{
    for (Client& client : clients_)
        if (client.console) {
            client.out += bytes;
            send_some(client);
        }
}

void Control::answer(u64 number, std::string_view text)
{
    auto const client = std::ranges::find(clients_, number, &Client::number);
    if (client == clients_.end())
        return;
    client->out += text;
    send_some(*client);
}

void Control::send_some(Client& client)
{
    if (client.out.empty())
        return;
    auto const sent = send(client.handle, client.out.data(), client.out.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0)
        client.out.erase(0, static_cast<usize>(sent));
    else if (errno != EAGAIN && errno != EINTR)
        client.gone = true;
    client.gone = client.gone || client.out.size() > most_waiting;
}

void Control::sweep()
{
    std::erase_if(clients_, [](Client const& client) {
        if (client.gone)
            close(client.handle);
        return client.gone;
    });
}

} // namespace kennel::tool
