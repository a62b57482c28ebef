// SPDX-License-Identifier: Apache-2.0
//
// virtio-net: a guest's network card. What the driver sends becomes a Frame and crosses the network's bridge before the next
// is looked at; what is for the guest is copied into its buffers then and there, or dropped. Frames wait nowhere but in the
// guests' own queues. One kick has so many bytes moved, for so long at most; the rest waits for the next, or for go_on().
//
// That a frame was sent is urgent to nobody: a driver finds it out when it sends the next. So nobody is interrupted for it at once, but
// when no next one has come after a while, or when many wait. virtio 1.2, "Network Device".
#pragma once
#include "drivers/net/counters.hpp"
#include "drivers/net/offload.hpp"
#include "drivers/net/port.hpp"
#include "drivers/virtio/transport.hpp"
#include <utility>

namespace kennel::service {

namespace net { class Network; }

class VirtioNet {
public:
    // In ticks; `interrupt`: that one for what was sent may take longer; `kick`: that the work for one may take.
    struct Patience { u64 interrupt, kick; };

    VirtioNet(net::MacAddress address, u16 mtu, Patience patience);

    Transport transport;

    // Before the guest starts: the network's part on the guest's own CPU, and this card's number there.
    void connect(net::Network& network, net::PortNumber port) { network_ = &network; port_ = port; }

    void power_on();                                  // after the transport's
    void changed(Transport::Change change);
    void kicked(u32 queue);
    void set_link(bool up);
    // TSC value from which go_on() shall be called; 0: when there is time, with frames that were not looked at; ~0: nothing is left over.
    u64  continue_at() const { return left_over_ ? 0 : tell_at_; }
    void go_on(u64 now);
    // continue_at() is sooner than it was the last time this was asked.
    bool take_change() { return std::exchange(has_changed_, false); }

    // For the guest. Copied, or refused, when this returns.
    net::Delivery receive(net::Frame const& frame);

    net::MacAddress address() const { return address_; }
    u64 interrupts() const { return interrupts_; }
    net::PortCounters const& counters() const;        // once connected

private:
    static constexpr u32 receive_queue = 0, transmit_queue = 1;
    static constexpr u64 most_bytes = 1 << 20;        // of one kick
    static constexpr u64 frame_worth = 4096;          // what a frame costs beside its bytes, in bytes

    void send();
    u64  send(Chain& chain);                          // bytes it had
    void tell(u64 now);                               // what was sent
    void interrupt(u32 queue)
    {
        interrupts_++;
        transport.interrupt_queue(queue);
    }
    net::Delivery place(net::Frame const& frame);

    net::MacAddress address_;
    u16             mtu_;
    bool            link_ = true;
    net::Network*   network_ = nullptr;
    net::PortNumber port_ = net::no_port;
    net::Accepts    accepts_;                         // by what the driver took
    bool            mergeable_ = false;
    u64             interrupts_ = 0;
    bool            has_changed_ = false;
    bool            left_over_ = false;               // frames that were not looked at
    u64             tell_at_ = ~0ull;                 // that frames were sent
    Patience        patience_;
    Chain           sent_, received_;                 // one is sent while another is received
};

} // namespace kennel::service
