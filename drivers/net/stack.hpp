// SPDX-License-Identifier: Apache-2.0
//
// The service's own end of the networks it runs: an interface on each, with an address that answers ARP and echo, and DHCP and
// DNS servers behind it. TCP/IP is lwIP's; it and this live on one vCPU of the service, the first.
//   bridge -> receive -> lwIP -> DHCP or DNS -> lwIP -> bridge
#pragma once
#include "drivers/heap.hpp"
#include "drivers/net/dhcp.hpp"
#include "drivers/net/dns.hpp"
#include "drivers/net/port.hpp"

namespace kennel::service::net {

class Network;
struct Interface;

class Stack {
public:
    static constexpr u32 most_interfaces = 16;

    void begin(u64 tsc_hz);

    // An interface on a network whose part here is `part`. -> its address of hardware; nothing: no room.
    std::optional<MacAddress> add(Heap& heap, Network& part, Neighbours& neighbours, bool routes);

    Delivery receive(u32 interface, Frame const& frame);

    DnsCounters const&  dns_counters() { return dns_.counters(); }
    u32 interfaces() const { return count_; }
    DhcpCounters const& dhcp_counters(u32 interface) const;
    u32 waiting() const { return forwarder_.waiting(); }
    u64 unrouted() const { return unrouted_; }
    u64 milliseconds() const;

private:
    friend struct Interface;

    void serve_dhcp(Interface& interface, std::span<u8 const> request);
    void serve_dns(Interface& interface, std::span<u8 const> question, Ipv4Address client, u16 port);

    Interface*   interfaces_[most_interfaces] = {};
    u32          count_ = 0;
    u64          tsc_hz_ = 1;
    DnsServer    dns_;
    DnsForwarder forwarder_;
    u64          unrouted_ = 0;                       // packets to an address we neither are nor reach
};

} // namespace kennel::service::net
