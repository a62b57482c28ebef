// SPDX-License-Identifier: Apache-2.0
//
// One network, as one of the service's vCPUs sees it: its bridge, and what is connected to each port. The closed list of what
// can be connected is here.
#pragma once
#include "drivers/net/bridge.hpp"
#include "drivers/net/e1000.hpp"
#include "drivers/net/trunk.hpp"
#include "drivers/virtio/net.hpp"
#include <variant>

namespace kennel::service::net {

class Stack;

// What is at the other end of each port.
class NetworkEnds {
public:
    struct ServiceEnd { Stack* stack; u32 interface; };

    // `number`: among the service's networks. `trunk_event`: of a trunk's reader.
    NetworkEnds(u32 number, u64 trunk_event) : number_{number}, trunk_event_{trunk_event} {}

    Delivery deliver(PortNumber port, Frame const& frame);

protected:
    using End = std::variant<std::monostate, VirtioNet*, Trunk*, ServiceEnd, E1000*>;

    End ends_[max_ports];
    u32 number_;
    u64 trunk_event_;
};

class Network : private NetworkEnds {
public:
    // `lifetime`: of learned addresses, in ticks.
    Network(u32 number, u64 lifetime, u64 trunk_event) : NetworkEnds{number, trunk_event}, bridge_{*this, lifetime} {}
    Network(Network const&) = delete;

    // no_port: there are too many, or the address is taken.
    PortNumber connect(VirtioNet& card, PortRecipe const& recipe) { return note(bridge_.add(recipe), &card); }
    PortNumber connect(Trunk& trunk) { return note(bridge_.add({.own_address_only = false, .is_trunk = true}), &trunk); }
    PortNumber connect(Stack& stack, u32 interface, MacAddress address) { return note(bridge_.add({.address = address}), ServiceEnd{&stack, interface}); }
    // The wire: anybody may be behind it.
    PortNumber connect(E1000& card, PortRecipe const& recipe) { return note(bridge_.add(recipe), &card); }
    bool fix(MacAddress address, PortNumber port) { return bridge_.fix(address, port); }

    // From a port, to whom it is for.
    void forward(PortNumber from, Frame const& frame);
    // From a trunk: by the port it has here.
    void arrived(Trunk const& trunk, Frame const& frame);

    u32 number() const { return number_; }
    u32 count() const { return bridge_.count(); }
    PortCounters& counters(PortNumber port) { return bridge_.counters(port); }
    std::string_view describe(PortNumber port) const
    {
        constexpr std::string_view names[] = {"nobody", "guest", "trunk", "service", "wire"};
        return names[ends_[port].index()];
    }

private:
    PortNumber note(PortNumber port, End end)
    {
        if (port != no_port)
            ends_[port] = end;
        return port;
    }

    Bridge<NetworkEnds> bridge_;
};

} // namespace kennel::service::net
