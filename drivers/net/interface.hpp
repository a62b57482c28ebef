// SPDX-License-Identifier: Apache-2.0
//
// One interface of the service's: on a network of guests, or outside. For stack.cpp and outside.cpp, the two files that name lwIP.
#pragma once
#include "drivers/net/network.hpp"
#include "drivers/net/stack.hpp"
#include <lwip/etharp.h>
#include <lwip/udp.h>

namespace kennel::service::net {

struct Interface {
    // On a network of guests. `first_owner`: the numbers that its guests have in NAT.
    Interface(Stack& its_stack, Network& its_part, Neighbours& its_neighbours, bool routes, u32 its_first_owner)
        : stack{its_stack}, part{its_part}, neighbours{&its_neighbours}, routed{routes}, first_owner{its_first_owner}, dhcp{std::in_place, its_neighbours, routes}
    {
    }
    // Outside.
    Interface(Stack& its_stack, Network& its_part) : stack{its_stack}, part{its_part} {}

    netif       lwip{};
    Stack&      stack;
    Network&    part;
    PortNumber  port = no_port;
    MacAddress  address;
    Neighbours* neighbours = nullptr;                 // none: outside
    bool        routed = false;
    u32         first_owner = 0;
    std::optional<DhcpServer> dhcp;

    // lwIP's callbacks.
    static err_t start(netif* lwip);
    static err_t output(netif* lwip, pbuf* packet);
    static void  dhcp_request(void* stack, udp_pcb*, pbuf* packet, ip_addr_t const* from, u16_t port);
    static void  dns_question(void* stack, udp_pcb*, pbuf* packet, ip_addr_t const* from, u16_t port);
    static void  dns_answer(void* stack, udp_pcb*, pbuf* packet, ip_addr_t const* from, u16_t port);
};

inline ip4_addr_t  lwip_address(Ipv4Address address) { return {lwip_htonl(address.value)}; }
inline Ipv4Address our_address(ip4_addr_t const& address) { return {lwip_ntohl(address.addr)}; }

} // namespace kennel::service::net
