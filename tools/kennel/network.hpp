// SPDX-License-Identifier: Apache-2.0
//
// Guests' networks and cards, as the user names them: --net[=NETWORK] and --forward, or a description's "networks" and "cards".
#pragma once
#include "hv/abi/manifest.hpp"
#include "tools/kennel/fault.hpp"
#include <array>
#include <optional>
#include <string>
#include <vector>

namespace kennel::tool {

struct NetworkPlan {
    std::string      name;
    abi::NetworkMode mode = abi::NetworkMode::isolated;
};

// A port of this machine's 127.0.0.1 -> the same port of the service's address outside -> the guest's.
struct ForwardPlan {
    u32 protocol = 6;                                  // IP's number: TCP 6, UDP 17
    u16 port = 0, guest_port = 0;

    std::string_view protocol_name() const { return protocol == 6 ? "tcp" : "udp"; }
};

struct CardPlan {
    std::string                      network;
    std::optional<std::array<u8, 6>> address;      // empty: one that the guest's name and the card's number give
    u16                              mtu = 1500;
    bool                             any_source = false;
    std::vector<ForwardPlan>         forwards;         // only on a network in mode nat
};

inline constexpr std::string_view mode_names[] = {"isolated", "nat", "bridge"};   // abi::NetworkMode

Or<void>                  check_network_name(std::string_view text);
Or<ForwardPlan>           parse_forward(std::string_view text);    // tcp:2222:22
// Nobody else has that port of 127.0.0.1 now; by the time the emulator wants it, somebody may.
Or<void>                  check_free(ForwardPlan const& forward);
Or<abi::NetworkMode>      parse_mode(std::string_view text);
Or<std::array<u8, 6>>     parse_hardware_address(std::string_view text);
std::array<u8, 6>         usual_address(std::string_view guest, u32 card);

} // namespace kennel::tool
