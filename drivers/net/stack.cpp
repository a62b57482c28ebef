// SPDX-License-Identifier: Apache-2.0
//
// See stack.hpp. The way outside: outside.cpp.
#include "drivers/net/stack.hpp"
#include "drivers/fault.hpp"
#include "drivers/instructions.hpp"
#include "drivers/net/interface.hpp"
#include <lwip/dns.h>
#include <lwip/init.h>
#include <netif/ethernet.h>

namespace kennel::service::net {

namespace {

// lwIP is one for all and takes the time by itself; its functions find us here.
constinit Stack* the_stack = nullptr;
constinit udp_pcb* dns_socket = nullptr;

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
// lwIP's own resolver is not here: what its DHCP client learns is ours.
extern "C" void dns_init(void) {}
extern "C" void dns_tmr(void) {}
extern "C" void dns_setserver(u8_t number, ip_addr_t const* address)
{
    if (number == 0)
        the_stack->name_server_is(our_address(*ip_2_ip4(address)));
}

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
    second_passed_ = time_stamp();
    the_stack = this;
    lwip_init();
    udp_pcb* const dhcp = udp_new();
    dns_socket = udp_new();
    if (!dhcp || !dns_socket || udp_bind(dhcp, IP4_ADDR_ANY, DhcpServer::server_port) != ERR_OK || udp_bind(dns_socket, IP4_ADDR_ANY, dns_port) != ERR_OK)
        give_up("lwIP's pools are too small");
    udp_recv(dhcp, Interface::dhcp_request, this);
    udp_recv(dns_socket, Interface::dns_question, this);
}

std::optional<Stack::Added> Stack::add(Heap& heap, Network& part, Neighbours& neighbours, bool routes)
{
    auto* const interface = count_ < most_interfaces ? heap.make<Interface>(*this, part, neighbours, routes, owners_) : nullptr;
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
    if (routes)
        owners_ += static_cast<u32>(neighbours.known().size()) + 1;   // strangers share one
    interfaces_[count_] = interface;
    return Added{count_++, interface->address};
}

Delivery Stack::receive(u32 number, Frame const& frame)
{
    Interface& interface = *interfaces_[number];
    bool const is_outside = &interface == outside_interface_;
    if (frame.ethernet().type == static_cast<u16>(EtherType::ipv4)) {
        u8 copied[sizeof(EthernetHeader) + 60];
        u32 const size = FrameReader{frame}.copy(copied);
        auto const packet = read_ipv4(std::span<u8 const>{copied, size}.subspan(sizeof(EthernetHeader)), frame.size - sizeof(EthernetHeader));
        Subnet const subnet = is_outside ? outside_.subnet : interface.neighbours->subnet();
        Ipv4Address const ours = is_outside ? outside_.address : interface.neighbours->service();
        // An address of its own has an interface outside only once it was given one: until then everything may be the answer.
        bool const is_ours = packet && (packet->destination == ours || packet->destination == subnet.broadcast() || packet->destination == Ipv4Address{~0u} ||
                                        (is_outside && !outside_.is_bound()));
        // Nobody outside is one of us: an answer would go to a guest that never asked.
        bool const lies = is_outside && packet && (is_inside(packet->source) || (outside_.is_bound() && packet->source == ours));
        if (lies) {
            unrouted_++;
            return Delivery::taken;
        }
        if (is_outside && is_ours && packet->destination == ours)
            return suit(frame, {}, [&](Frame const& plain) { return route_in(plain) ? Delivery::taken : to_lwip(interface, plain); });
        if (!is_ours && packet && interface.routed)
            return route_out(interface, frame);
        if (!is_ours) {
            unrouted_++;
            return Delivery::taken;
        }
    }
    return to_lwip(interface, frame);
}

Delivery Stack::to_lwip(Interface& interface, Frame const& frame)
{
    sender_ = frame.ethernet().source;
    Delivery const delivery = suit(frame, {}, [&](Frame const& suited) {
        pbuf* const packet = pbuf_alloc(PBUF_RAW, static_cast<u16_t>(suited.size), PBUF_POOL);
        if (!packet)
            return Delivery::full;
        FrameReader reader{suited};
        for (pbuf* part = packet; part; part = part->next)
            reader.copy({static_cast<u8*>(part->payload), part->len});
        if (interface.lwip.input(packet, &interface.lwip) != ERR_OK)
            pbuf_free(packet);
        return Delivery::taken;
    });
    catch_up(time_stamp());
    return delivery;
}

void Stack::serve_dhcp(Interface& interface, std::span<u8 const> request)
{
    if (!interface.dhcp)                              // outside we are a client
        return;
    u8 reply[DhcpServer::reply_bytes];
    auto const answer = interface.dhcp->answer(sender_, request, reply, milliseconds());
    if (!answer)
        return;
    u8 frame[udp_overhead + DhcpServer::reply_bytes];
    u32 const size = write_datagram(frame, {answer->hardware, interface.address, static_cast<u16>(EtherType::ipv4)}, interface.neighbours->service(), DhcpServer::server_port,
                                    answer->address, DhcpServer::client_port, {reply, answer->size});
    Piece const rest{frame + sizeof(EthernetHeader), size - static_cast<u32>(sizeof(EthernetHeader))};
    interface.part.forward(interface.port, Frame{.head = {frame, sizeof(EthernetHeader)}, .rest = {&rest, 1}, .skip = 0, .size = size, .offload = {}});
}

void Stack::serve_dns(Interface& interface, std::span<u8> question, Ipv4Address client, u16 port)
{
    if (!interface.neighbours)                        // nobody outside asks us
        return;
    u8 reply[dns_message_bytes];
    auto const result = dns_.answer(*interface.neighbours, question, reply);
    if (result.verdict == DnsServer::Verdict::answer)
        return send_dns(interface, client, port, std::span{reply}.first(result.size));
    if (result.verdict == DnsServer::Verdict::forward)
        ask_upstream(question, {client, port, static_cast<u32>(std::find(interfaces_, interfaces_ + count_, &interface) - interfaces_)}, interface.neighbours->owns(sender_, client));
}

void Stack::send_dns(Interface& interface, Ipv4Address client, u16 port, std::span<u8 const> reply)
{
    pbuf* const packet = reply.empty() ? nullptr : pbuf_alloc(PBUF_TRANSPORT, static_cast<u16_t>(reply.size()), PBUF_RAM);
    if (!packet)
        return;
    pbuf_take(packet, reply.data(), static_cast<u16_t>(reply.size()));
    ip_addr_t const to = lwip_address(client);
    udp_sendto_if(dns_socket, packet, &to, port, &interface.lwip);
    pbuf_free(packet);
}

DhcpCounters const* Stack::dhcp_counters(u32 interface) const
{
    auto const& dhcp = interfaces_[interface]->dhcp;
    return dhcp ? &dhcp->counters() : nullptr;
}

} // namespace kennel::service::net
