// SPDX-License-Identifier: Apache-2.0
//
// Guests' networks and cards, as the user names them: --net[=NETWORK], or a description's "networks" and "cards".
#pragma once
#include "hv/abi/manifest.hpp"
#include "tools/kennel/fault.hpp"
#include <array>
#include <optional>
#include <string>

namespace kennel::tool {

struct NetworkPlan {
    std::string      name;
    abi::NetworkMode mode = abi::NetworkMode::isolated;
};

struct CardPlan {
    std::string                      network;
    std::optional<std::array<u8, 6>> address;      // empty: one that the guest's name and the card's number give
    u16                              mtu = 1500;
    bool                             any_source = false;
};

Or<abi::NetworkMode>      parse_mode(std::string_view text);
Or<std::array<u8, 6>>     parse_hardware_address(std::string_view text);
std::array<u8, 6>         usual_address(std::string_view guest, u32 card);

} // namespace kennel::tool
