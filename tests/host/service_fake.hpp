// SPDX-License-Identifier: Apache-2.0
//
// The world as the service's code sees it in host tests: hv's answers, the machine's serial port, time. Every call is
// remembered; what a test does not script succeeds.
#pragma once
#include "drivers/hypercalls.hpp"
#include <deque>
#include <functional>
#include <string>
#include <vector>

namespace kennel::service::fake {

struct Made { abi::Call call; u64 rdi, rsi, rdx, r8, r9; };

// A device of the machine behind ports, as a test brings it. False: not its port.
struct PortDevice {
    virtual ~PortDevice() = default;
    virtual bool read(u16 port, u32 bytes, u32& value) = 0;
    virtual bool write(u16 port, u32 bytes, u32 value) = 0;
};

// And one behind registers in memory.
struct RegisterDevice {
    virtual ~RegisterDevice() = default;
    virtual u32  read(u64 address) = 0;
    virtual void write(u64 address, u32 value) = 0;
};

struct World {
    PortDevice* device = nullptr;                     // asked first
    RegisterDevice* registers = nullptr;
    std::vector<Made> calls;
    std::function<Answer(Made const&)> answer;        // empty: ok, and zeroes

    // A 16550: what was sent, what is typed, and how many bytes it takes before it is busy.
    std::string      sent;
    std::deque<char> typed;
    usize            room = 1'000'000;
    u8               interrupts_enabled = 0;
    bool             empty_interrupt = false;         // pending: the transmitter became empty

    u64 now = 1'000'000;
    u64 tick = 1000;                                  // each look at the clock takes so long

    usize count(abi::Call call) const;
    Made const& last(abi::Call call) const;           // there must be one
};

// One for the test that runs; reset() at its begin.
World& world();
World& reset();

} // namespace kennel::service::fake
