// SPDX-License-Identifier: Apache-2.0
//
// The DHCP server of a network that the service runs itself (RFC 2131, RFC 2132): a question in, the answer out. It keeps
// nothing but what Neighbours keeps, so a guest has the same address each time and a flood of questions costs nothing.
#pragma once
#include "drivers/net/neighbours.hpp"
#include <optional>

namespace kennel::service::net {

struct DhcpCounters { u64 offers = 0, acknowledged = 0, refused = 0, ignored = 0; };

struct DhcpAnswer {
    usize       size;                                 // bytes in `reply`
    MacAddress  hardware;                             // whom it goes to
    Ipv4Address address;                              // the same, or everybody
};

class DhcpServer {
public:
    static constexpr u16   server_port = 67, client_port = 68;
    static constexpr usize reply_bytes = 576;
    static constexpr u32   lease_seconds = 86400;

    // `routes`: the service forwards beyond the network; else its guests get no router.
    DhcpServer(Neighbours& neighbours, bool routes) : neighbours_{neighbours}, routes_{routes} {}

    // `from`: whose frame it was; nobody asks for another. `request`: payload of a datagram to server_port, as it came. `now` in any unit.
    std::optional<DhcpAnswer> answer(MacAddress from, std::span<u8 const> request, std::span<u8, reply_bytes> reply, u64 now);

    DhcpCounters const& counters() const { return counters_; }

private:
    Neighbours&  neighbours_;
    bool         routes_;
    DhcpCounters counters_;
};

} // namespace kennel::service::net
