// SPDX-License-Identifier: Apache-2.0
//
// See port.hpp.
#include "tools/kennel/port.hpp"
#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace kennel::tool {

Or<SerialPort> SerialPort::open()
{
    int const listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    if (listener < 0 || bind(listener, reinterpret_cast<sockaddr*>(&address), length) != 0 || listen(listener, 1) != 0 ||
        getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length) != 0)
        return machine_failed("cannot open a local port for the machine's console: {}", std::strerror(errno));
    return SerialPort{listener, ntohs(address.sin_port)};
}

SerialPort::SerialPort(SerialPort&& other) noexcept
    : listener_{std::exchange(other.listener_, -1)}, connection_{std::exchange(other.connection_, -1)}, number_{other.number_} {}

SerialPort& SerialPort::operator=(SerialPort&& other) noexcept
{
    std::swap(listener_, other.listener_);
    std::swap(connection_, other.connection_);
    std::swap(number_, other.number_);
    return *this;
}

SerialPort::~SerialPort() { close(); }

void SerialPort::close()
{
    for (int* const handle : {&listener_, &connection_})
        if (*handle >= 0) {
            ::close(*handle);
            *handle = -1;
        }
}

std::span<char const> SerialPort::receive()
{
    if (connection_ < 0) {
        connection_ = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (connection_ >= 0) {
            ::close(listener_);
            listener_ = -1;
        }
        return {};
    }
    auto const got = recv(connection_, buffer_, sizeof buffer_, 0);
    if (got > 0)
        return {buffer_, static_cast<usize>(got)};
    if (got == 0 || (errno != EAGAIN && errno != EINTR))
        close();
    return {};
}

usize SerialPort::send(std::string_view bytes)
{
    if (connection_ < 0)
        return 0;
    auto const sent = ::send(connection_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    return sent > 0 ? static_cast<usize>(sent) : 0;
}

} // namespace kennel::tool
