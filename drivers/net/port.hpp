// SPDX-License-Identifier: Apache-2.0
//
// What a bridge asks of those connected to it. A concept and no base class: the bridge is compiled for the one set of ports
// the service has, and a test brings its own.
#pragma once
#include "drivers/net/offload.hpp"
#include <concepts>

namespace kennel::service::net {

using PortNumber = u32;
inline constexpr u32 max_ports = 64;                  // of one bridge: a word of bits
inline constexpr PortNumber no_port = max_ports;

// Takes a frame for a port, now, or says why not; never waits. The service's own port may answer with a frame at once: it
// gets none while it does, so this ends.
template<class T>
concept Ports = requires(T& ports, PortNumber port, Frame const& frame) {
    { ports.deliver(port, frame) } -> std::same_as<Delivery>;
};

} // namespace kennel::service::net
