// SPDX-License-Identifier: Apache-2.0
//
// What a port has seen: packets, bytes, and why frames were dropped. Written by the CPU the port lives on only.
#pragma once
#include "hv/lib/types.hpp"

namespace kennel::service::net {

enum class Drop : u32 {
    runt,             // shorter than an Ethernet header
    oversized,        // larger than the receiver takes
    bad_header,       // its source is a group, its chain or its header is malformed
    bad_offload,      // asks for a checksum or segments that make no sense
    spoofed,          // its source is not the port's own address
    flood_limit,      // too many frames to everybody
    receiver_full,    // no buffers at the receiver
    receiver_down,    // the receiver has not started, or its link is down
    count,
};

constexpr char const* name_of(Drop drop)
{
    switch (drop) {
    case Drop::runt:          return "runt";
    case Drop::oversized:     return "oversized";
    case Drop::bad_header:    return "bad-header";
    case Drop::bad_offload:   return "bad-offload";
    case Drop::spoofed:       return "spoofed";
    case Drop::flood_limit:   return "flood-limit";
    case Drop::receiver_full: return "receiver-full";
    case Drop::receiver_down: return "receiver-down";
    case Drop::count:         break;
    }
    return "unknown";
}

// `in` and `out` as the bridge sees them: in is what the port sent.
struct PortCounters {
    u64 packets_in = 0, bytes_in = 0, packets_out = 0, bytes_out = 0;
    u64 drops[static_cast<usize>(Drop::count)] = {};

    void dropped(Drop drop) { drops[static_cast<usize>(drop)]++; }
    u64  dropped_for(Drop drop) const { return drops[static_cast<usize>(drop)]; }
};

} // namespace kennel::service::net
