// SPDX-License-Identifier: Apache-2.0
//
// The service's own end of the networks it runs: an interface on each, with an address that answers ARP and echo, and DHCP and
// DNS servers behind it; and one outside, where the machine's card is, with an address by DHCP. TCP/IP is lwIP's; it and this live on
// one vCPU of the service, the first.
//   bridge -> receive -> lwIP -> DHCP or DNS -> lwIP -> bridge
//                     -> route_out -> Nat -> the bridge outside -> the wire; to our own address there: to a forward's guest
//   the wire -> receive -> route_in -> Nat -> the guest's bridge
#pragma once
#include "drivers/heap.hpp"
#include "drivers/net/dhcp.hpp"
#include "drivers/net/dns_forwarder.hpp"
#include "drivers/net/dns_server.hpp"
#include "drivers/net/nat.hpp"
#include "drivers/net/port.hpp"

namespace kennel::service::net {

class Network;
struct Interface;

class Stack {
public:
    static constexpr u32 most_interfaces = 17;

    void begin(u64 tsc_hz);

    // An interface on a network whose part here is `part`; `routes`: its guests reach the outside. -> its number; nothing: no room.
    struct Added { u32 interface; MacAddress address; };
    std::optional<Added> add(Heap& heap, Network& part, Neighbours& neighbours, bool routes);
    // The interface outside, under the address of the machine's card. False: no room.
    bool add_outside(Heap& heap, Network& part, MacAddress address);
    // With all interfaces there.
    bool forward(Forward const& forward) { return nat_ && nat_->add(forward); }

    Delivery receive(u32 interface, Frame const& frame);

    // ---- outside ----
    void link_changed(bool up);                       // also to begin with
    // What has to happen by now; and when to call again, ~0: not by the clock.
    void timer(u64 now);
    u64  deadline();
    bool clock_changed() const { return clock_changed_; }   // a deadline may be sooner than it was

    struct Outside {
        Ipv4Address address, router, name_server;
        Subnet      subnet;
        bool        conflict = false;                 // the subnet is one of ours: nothing is routed

        bool is_bound() const { return address.value != 0; }
        bool operator==(Outside const&) const = default;
    };
    Outside const& outside() const { return outside_; }
    // True once after it has changed.
    bool take_news()
    {
        bool const news = news_;
        news_ = false;
        return news;
    }

    DnsCounters const&  dns_counters() { return dns_.counters(); }
    Nat const* nat() const { return nat_; }
    u32 interfaces() const { return count_; }
    DhcpCounters const* dhcp_counters(u32 interface) const;   // null: it is outside
    u32 waiting() const { return forwarder_.waiting(); }
    u64 unrouted() const { return unrouted_; }
    u64 unresolved() const { return unresolved_; }

    u64 milliseconds() const;
    void name_server_is(Ipv4Address address) { offered_name_server_ = address; }

private:
    friend struct Interface;

    Delivery to_lwip(Interface& interface, Frame const& frame);
    void serve_dhcp(Interface& interface, std::span<u8 const> request);
    void serve_dns(Interface& interface, std::span<u8> question, Ipv4Address client, u16 port);
    void send_dns(Interface& interface, Ipv4Address client, u16 port, std::span<u8 const> reply);

    Delivery route_out(Interface& from, Frame const& frame);
    bool     route_in(Frame const& frame);            // false: it is for no guest
    std::optional<Nat::Owner> owner_of(Interface const& from, Ipv4Address source, MacAddress hardware) const;
    bool     is_inside(Ipv4Address address) const;
    void     send_outside(std::span<u8> head, Frame const& frame, Ipv4Address destination);
    void     send_inside(std::span<u8> head, Frame const& frame, Nat::Inside inside);
    void     ask_upstream(std::span<u8> question, DnsClient const& client, bool is_its_own);
    void     relay_dns(std::span<u8> answer);
    void     wait_for_arp();
    void     look_at_lease();
    void     catch_up(u64 now);

    Interface*   interfaces_[most_interfaces] = {};
    MacAddress   sender_;                             // of the frame that lwIP looks at
    u32          count_ = 0;
    u64          tsc_hz_ = 1;
    DnsServer    dns_;
    DnsForwarder forwarder_;
    u64          unrouted_ = 0;                       // packets to an address we neither are nor reach
    u64          unresolved_ = 0;                     // packets whose next hop was not known yet; one of each waits

    Interface*   outside_interface_ = nullptr;
    Nat*         nat_ = nullptr;
    Outside      outside_;
    Ipv4Address  offered_name_server_;
    bool         news_ = false, clock_changed_ = false;
    u32          owners_ = 0;
    u64          second_passed_ = 0;                  // until then lwIP's tables have grown old ...
    u64          asking_until_ = 0;                   // ... and until then by the clock, because somebody is asked for an address
    u64          half_second_ = ~0ull, minute_ = ~0ull;   // the DHCP client's next
};

} // namespace kennel::service::net
