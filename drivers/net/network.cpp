// SPDX-License-Identifier: Apache-2.0
//
// See network.hpp.
#include "drivers/net/network.hpp"
#include "drivers/hypercalls.hpp"
#include "drivers/instructions.hpp"
#include "drivers/net/stack.hpp"

namespace kennel::service::net {

void Network::forward(PortNumber from, Frame const& frame) { bridge_.forward(from, frame, time_stamp()); }

void Network::arrived(Trunk const& trunk, Frame const& frame)
{
    for (PortNumber port = 0; port < bridge_.count(); port++)
        if (auto* const* const end = std::get_if<Trunk*>(&ends_[port]); end && (*end)->reader() == trunk.writer())
            return forward(port, frame);
}

Delivery NetworkEnds::deliver(PortNumber port, Frame const& frame)
{
    if (auto* const card = std::get_if<VirtioNet*>(&ends_[port])) [[likely]]
        return (*card)->receive(frame);
    if (auto* const service = std::get_if<ServiceEnd>(&ends_[port]))
        return service->stack->receive(service->interface, frame);
    if (auto* const trunk = std::get_if<Trunk*>(&ends_[port])) {
        bool must_ring = false;
        Delivery const delivery = (*trunk)->push(number_, frame, must_ring);
        if (must_ring)
            static_cast<void>(event_raise((*trunk)->reader(), trunk_event_));
        return delivery;
    }
    if (auto* const wire = std::get_if<E1000*>(&ends_[port]))
        return (*wire)->send(frame);
    return Delivery::down;
}

} // namespace kennel::service::net
