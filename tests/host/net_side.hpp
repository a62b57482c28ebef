// SPDX-License-Identifier: Apache-2.0
//
// A network whose frames can be read: what is flooded or meant for a stranger arrives at a trunk.
#pragma once
#include "drivers/net/network.hpp"
#include "tests/host/net_frames.hpp"
#include <algorithm>
#include <vector>

namespace kennel::service::net::test {

struct Side {
    static constexpr u64 second = 1'000'000'000;      // in ticks

    std::vector<u64> ring = std::vector<u64>(Trunk::ring_bytes / 8);
    Network    network;
    Trunk      trunk{std::span<u8, Trunk::ring_bytes>{reinterpret_cast<u8*>(ring.data()), Trunk::ring_bytes}, 0, 1};
    PortNumber port = network.connect(trunk);

    explicit Side(u32 number) : network{number, 300 * second, 9} {}
    void send(Bytes frame)
    {
        frame.resize(std::max<usize>(frame.size(), 60));
        network.forward(port, Held{frame}.frame);
    }
    std::vector<Bytes> got()
    {
        std::vector<Bytes> all;
        trunk.drain([&](u32, Frame const& frame) { all.push_back(bytes_of(frame)); return true; });
        return all;
    }
};

} // namespace kennel::service::net::test
