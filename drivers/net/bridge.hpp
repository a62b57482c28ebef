// SPDX-License-Identifier: Apache-2.0
//
// The switch of one network, as one CPU sees it: a learning bridge whose ports are the devices at home on that CPU and a
// trunk to each other CPU that has some. A frame crosses at most one trunk, because none passes it on.
// Frames go to a port at once or are dropped and counted; nothing is kept here, so nobody waits for anybody.
#pragma once
#include "drivers/net/counters.hpp"
#include "drivers/net/mac_table.hpp"

namespace kennel::service::net {

struct PortRecipe {
    MacAddress address{};                             // all zero: none of its own
    bool own_address_only = true;                     // drop what it sends under another address
    bool is_trunk = false;                            // what comes from there was checked where it entered
    u64  flood_interval = 0;                          // ticks for each frame to everybody, on average; 0: no limit
    u32  flood_burst = 64;                            // frames
};

class BridgeState {
public:
    // Ticks after which an address that was not seen is forgotten (IEEE 802.1D, "Ageing Time": 300 s).
    explicit BridgeState(u64 lifetime) : lifetime_{lifetime} {}

    // no_port: all numbers are taken, or its address is.
    PortNumber add(PortRecipe const& recipe);
    // An address that is known to live behind a port, as the configuration says.
    bool fix(MacAddress address, PortNumber port) { return table_.fix(address, port); }

    PortCounters const& counters(PortNumber port) const { return ports_[port].counters; }
    PortCounters&       counters(PortNumber port) { return ports_[port].counters; }
    u32 count() const { return count_; }
    bool is_trunk(PortNumber port) const { return ports_[port].recipe.is_trunk; }

protected:
    struct Port {
        PortRecipe   recipe;
        PortCounters counters;
        u64          flood_next = 0;                  // when the next frame to everybody would be due
    };

    // What a frame from there may do.
    struct Way { u64 ports = 0; };                    // bits
    Way way_of(PortNumber from, Frame const& frame, u64 now);
    bool may_flood(Port& port, u64 now);

    u64      lifetime_;
    Port     ports_[max_ports];
    u32      count_ = 0;
    u64      trunks_ = 0;                             // bits
    MacTable table_;
};

template<Ports Connected>
class Bridge : public BridgeState {
public:
    Bridge(Connected& connected, u64 lifetime) : BridgeState{lifetime}, connected_{connected} {}

    // `now` in ticks. The frame's pieces are read before this returns.
    void forward(PortNumber from, Frame const& frame, u64 now)
    {
        u64 ports = way_of(from, frame, now).ports;
        for (; ports; ports &= ports - 1)
            hand(from, static_cast<PortNumber>(__builtin_ctzll(ports)), frame);
    }

private:
    void hand(PortNumber from, PortNumber to, Frame const& frame)
    {
        PortCounters& counters = ports_[to].counters;
        switch (connected_.deliver(to, frame)) {
        case Delivery::taken: [[likely]]
            counters.packets_out++;
            counters.bytes_out += frame.size;
            return;
        case Delivery::full:        return counters.dropped(Drop::receiver_full);
        case Delivery::down:        return counters.dropped(Drop::receiver_down);
        case Delivery::oversized:   return counters.dropped(Drop::oversized);
        case Delivery::bad_offload: return ports_[from].counters.dropped(Drop::bad_offload);
        }
    }

    Connected& connected_;
};

} // namespace kennel::service::net
