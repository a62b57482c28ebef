// SPDX-License-Identifier: Apache-2.0
//
// See stack.hpp. Everything that names lwIP is here.
#include "drivers/net/stack.hpp"
#include "drivers/fault.hpp"
#include "drivers/instructions.hpp"
#include "drivers/net/network.hpp"
#include <lwip/etharp.h>
#include <lwip/init.h>
#include <lwip/timeouts.h>
#include <lwip/udp.h>
#include <netif/ethernet.h>

namespace kennel::service::net {

struct Interface {
    Interface(Stack& its_stack, Network& its_part, Neighbours& its_neighbours, bool routes)
        : stack{its_stack}, part{its_part}, neighbours{its_neighbours}, dhcp{its_neighbours, routes}
    {
    }

    netif       lwip{};
    Stack&      stack;
    Network&    part;
    PortNumber  port = no_port;
    MacAddress  address;
    Neighbours& neighbours;
    DhcpServer  dhcp;

    // lwIP's callbacks.
    static err_t start(netif* lwip);
    static err_t output(netif* lwip, pbuf* packet);
    static void  dhcp_request(void* stack, udp_pcb*, pbuf* packet, ip_addr_t const* from, u16_t port);
    static void  dns_question(void* stack, udp_pcb*, pbuf* packet, ip_addr_t const* from, u16_t port);
};

namespace {

// lwIP is one for all and takes the time by itself; its functions find us here.
constinit Stack* the_stack = nullptr;
constinit udp_pcb* dns_socket = nullptr;

ip4_addr_t lwip_address(Ipv4Address address) { return {lwip_htonl(address.value)}; }
Ipv4Address our_address(ip4_addr_t const& address) { return {lwip_ntohl(address.addr)}; }

constexpr u32 udp_overhead = sizeof(EthernetHeader) + sizeof(Ipv4Header) + sizeof(UdpHeader);

// A whole UDP datagram as a frame: for clients that lwIP could not reach yet, because they have no address.
u32 write_datagram(std::span<u8> to, EthernetHeader const& ethernet, Ipv4Address from, u16 from_port, Ipv4Address destination, u16 port, std::span<u8 const> payload)
{
    constexpr u8 hops = 64, version_length = 0x45;
    u16 const udp_bytes = static_cast<u16>(sizeof(UdpHeader) + payload.size());
    write_header(to, 0, ethernet);
    Ipv4Header ip{version_length, 0, static_cast<u16>(sizeof(Ipv4Header) + udp_bytes), 0, 0, hops, static_cast<u8>(Protocol::udp), 0, from.value, destination.value};
    write_header(to, sizeof ethernet, ip);
    ip.checksum = field_of(sum_of(std::span<u8 const>{to}.subspan(sizeof ethernet, sizeof ip)));
    write_header(to, sizeof ethernet, ip);
    write_header(to, sizeof ethernet + sizeof ip, UdpHeader{from_port, port, udp_bytes, 0});   // RFC 768: no checksum, inside one machine
    copy_bytes(to.data() + udp_overhead, payload.data(), payload.size());
    return udp_overhead + static_cast<u32>(payload.size());
}

} // namespace

// ---- what lwIP calls ----

extern "C" u32_t sys_now(void) { return static_cast<u32_t>(the_stack->milliseconds()); }
extern "C" unsigned kennel_lwip_random(void)
{
    auto const word = random_word();
    return static_cast<unsigned>(word ? *word : time_stamp() * 0x9e37'79b9);
}
extern "C" void kennel_lwip_broken(char const* what) { give_up(what); }
extern "C" void kennel_lwip_dhcp_option(netif*, unsigned char, unsigned char, pbuf*, unsigned short) {}

err_t Interface::start(netif* lwip)
{
    auto& self = *static_cast<Interface*>(lwip->state);
    lwip->name[0] = 'k';
    lwip->name[1] = 'n';
    lwip->mtu = 1500;
    lwip->hwaddr_len = 6;
    std::copy_n(self.address.bytes, 6, lwip->hwaddr);
    lwip->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET | NETIF_FLAG_LINK_UP;
    lwip->output = etharp_output;
    lwip->linkoutput = output;
    return ERR_OK;
}

err_t Interface::output(netif* lwip, pbuf* packet)
{
    auto& self = *static_cast<Interface*>(lwip->state);
    if (packet->len < sizeof(EthernetHeader))
        return ERR_BUF;
    constexpr u32 most = 8;
    Piece pieces[most];
    u32 count = 0;
    for (pbuf* part = packet; part; part = part->next) {
        u32 const skip = part == packet ? sizeof(EthernetHeader) : 0;
        if (part->len == skip)
            continue;
        if (count == most)
            return ERR_BUF;
        pieces[count++] = {static_cast<u8*>(part->payload) + skip, part->len - skip};
    }
    self.part.forward(self.port, Frame{.head = {static_cast<u8 const*>(packet->payload), sizeof(EthernetHeader)}, .rest = {pieces, count}, .skip = 0, .size = packet->tot_len, .offload = {}});
    return ERR_OK;
}

void Interface::dhcp_request(void* stack, udp_pcb*, pbuf* packet, ip_addr_t const*, u16_t)
{
    u8 request[DhcpServer::reply_bytes];
    u16 const size = pbuf_copy_partial(packet, request, sizeof request, 0);
    pbuf_free(packet);
    static_cast<Stack*>(stack)->serve_dhcp(*static_cast<Interface*>(ip_current_input_netif()->state), {request, size});
}

void Interface::dns_question(void* stack, udp_pcb*, pbuf* packet, ip_addr_t const* from, u16_t port)
{
    u8 question[dns_forward_bytes];
    u16 const size = packet->tot_len <= sizeof question ? pbuf_copy_partial(packet, question, sizeof question, 0) : 0;
    pbuf_free(packet);
    static_cast<Stack*>(stack)->serve_dns(*static_cast<Interface*>(ip_current_input_netif()->state), {question, size}, our_address(*ip_2_ip4(from)), port);
}

// ---- the stack ----

u64 Stack::milliseconds() const { return time_stamp() / (tsc_hz_ / 1000 ? tsc_hz_ / 1000 : 1); }

void Stack::begin(u64 tsc_hz)
{
    tsc_hz_ = tsc_hz;
    the_stack = this;
    lwip_init();
    udp_pcb* const dhcp = udp_new();
    dns_socket = udp_new();
    if (!dhcp || !dns_socket || udp_bind(dhcp, IP4_ADDR_ANY, DhcpServer::server_port) != ERR_OK || udp_bind(dns_socket, IP4_ADDR_ANY, dns_port) != ERR_OK)
        give_up("lwIP's pools are too small");
    udp_recv(dhcp, Interface::dhcp_request, this);
    udp_recv(dns_socket, Interface::dns_question, this);
}

std::optional<MacAddress> Stack::add(Heap& heap, Network& part, Neighbours& neighbours, bool routes)
{
    auto* const interface = count_ < most_interfaces ? heap.make<Interface>(*this, part, neighbours, routes) : nullptr;
    if (!interface)
        return std::nullopt;
    // Locally administered, and the same at each start: "KNL", the network's number.
    interface->address = MacAddress::from(0x024b'4e4c'0000ull | part.number());
    interface->port = part.connect(*this, count_, interface->address);
    if (interface->port == no_port)
        return std::nullopt;
    ip4_addr_t const address = lwip_address(neighbours.service()), mask = lwip_address({neighbours.subnet().mask()}), none{0};
    if (!netif_add(&interface->lwip, &address, &mask, &none, interface, Interface::start, ethernet_input))
        return std::nullopt;
    netif_set_up(&interface->lwip);
    // Guests' addresses are known, so nobody can tell us otherwise.
    for (Neighbour const& neighbour : neighbours.known()) {
        ip4_addr_t const theirs = lwip_address(neighbour.address);
        eth_addr hardware;
        std::copy_n(neighbour.hardware.bytes, 6, hardware.addr);
        etharp_add_static_entry(&theirs, &hardware);
    }
    interfaces_[count_++] = interface;
    return interface->address;
}

Delivery Stack::receive(u32 number, Frame const& frame)
{
    Interface* const interface = interfaces_[number];
    // What is for others goes no further here: no packet passes from one network to another.
    if (frame.ethernet().type == static_cast<u16>(EtherType::ipv4)) {
        u8 copied[sizeof(EthernetHeader) + 60];
        u32 const size = FrameReader{frame}.copy(copied);
        auto const packet = read_ipv4(std::span<u8 const>{copied, size}.subspan(sizeof(EthernetHeader)), frame.size - sizeof(EthernetHeader));
        Subnet const subnet = interface->neighbours.subnet();
        if (!packet || (packet->destination != interface->neighbours.service() && packet->destination != subnet.broadcast() && packet->destination != Ipv4Address{~0u})) {
            unrouted_++;
            return Delivery::taken;
        }
    }
    Delivery const delivery = suit(frame, {}, [&](Frame const& suited) {
        pbuf* const packet = pbuf_alloc(PBUF_RAW, static_cast<u16_t>(suited.size), PBUF_POOL);
        if (!packet)
            return Delivery::full;
        FrameReader reader{suited};
        for (pbuf* part = packet; part; part = part->next)
            reader.copy({static_cast<u8*>(part->payload), part->len});
        if (interface->lwip.input(packet, &interface->lwip) != ERR_OK)
            pbuf_free(packet);
        return Delivery::taken;
    });
    sys_check_timeouts();
    return delivery;
}

void Stack::serve_dhcp(Interface& interface, std::span<u8 const> request)
{
    u8 reply[DhcpServer::reply_bytes];
    auto const answer = interface.dhcp.answer(request, reply, milliseconds());
    if (!answer)
        return;
    u8 frame[udp_overhead + DhcpServer::reply_bytes];
    u32 const size = write_datagram(frame, {answer->hardware, interface.address, static_cast<u16>(EtherType::ipv4)}, interface.neighbours.service(), DhcpServer::server_port,
                                    answer->address, DhcpServer::client_port, {reply, answer->size});
    Piece const rest{frame + sizeof(EthernetHeader), size - static_cast<u32>(sizeof(EthernetHeader))};
    interface.part.forward(interface.port, Frame{.head = {frame, sizeof(EthernetHeader)}, .rest = {&rest, 1}, .skip = 0, .size = size, .offload = {}});
}

void Stack::serve_dns(Interface& interface, std::span<u8 const> question, Ipv4Address client, u16 port)
{
    u8 reply[dns_message_bytes];
    auto result = dns_.answer(interface.neighbours, question, reply);
    if (result.verdict == DnsServer::Verdict::forward)
        result = {DnsServer::Verdict::answer, dns_.fail(question, reply)};   // there is nobody to ask
    if (result.verdict != DnsServer::Verdict::answer || result.size == 0)
        return;
    pbuf* const packet = pbuf_alloc(PBUF_TRANSPORT, static_cast<u16_t>(result.size), PBUF_RAM);
    if (!packet)
        return;
    pbuf_take(packet, reply, static_cast<u16_t>(result.size));
    ip_addr_t const to = lwip_address(client);
    udp_sendto_if(dns_socket, packet, &to, port, &interface.lwip);
    pbuf_free(packet);
}

DhcpCounters const& Stack::dhcp_counters(u32 interface) const { return interfaces_[interface]->dhcp.counters(); }

} // namespace kennel::service::net
