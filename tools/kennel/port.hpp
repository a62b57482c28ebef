// SPDX-License-Identifier: Apache-2.0
//
// A serial port of the machine, seen from outside: we listen on a local TCP port and the emulator connects to it, the one
// way that Bochs and QEMU share and that loses no byte. Only this machine can connect, and only once.
#pragma once
#include "tools/kennel/fault.hpp"
#include <span>
#include <string_view>

namespace kennel::tool {

class SerialPort {
public:
    static Or<SerialPort> open();
    SerialPort(SerialPort&& other) noexcept;
    SerialPort& operator=(SerialPort&& other) noexcept;
    ~SerialPort();

    u16  number() const { return number_; }                                     // of the TCP port
    int  handle() const { return connection_ >= 0 ? connection_ : listener_; }  // to poll; -1 when the machine has hung up
    bool closed() const { return connection_ < 0 && listener_ < 0; }

    // After poll said so: takes the connection, or the bytes that are there. Empty: nothing yet, or the end.
    std::span<char const> receive();
    // As many bytes as go without waiting. Before the machine has connected: none.
    usize send(std::string_view bytes);

private:
    SerialPort(int listener, u16 number) : listener_{listener}, number_{number} {}
    void close();

    int  listener_ = -1;
    int  connection_ = -1;
    u16  number_ = 0;
    char buffer_[4096];
};

} // namespace kennel::tool
