// SPDX-License-Identifier: Apache-2.0
//
// The part of stack.hpp that reaches the wire: guests' packets through NAT, the DHCP client that gives us an address there,
// questions for the name server upstream, and the few clocks all that needs.
#include "drivers/fault.hpp"
#include "drivers/instructions.hpp"
#include "drivers/net/interface.hpp"
#include <algorithm>
#include <lwip/dhcp.h>
#include <netif/ethernet.h>

namespace kennel::service::net {

namespace {

constinit udp_pcb* upstream_socket = nullptr;

constexpr u64 dns_patience_seconds = 4;               // a client asks again after five
constexpr u64 arp_attempts_seconds = 6;               // lwIP asks five times
constexpr u64 most_seconds_behind = 600;              // its oldest entries live for 300

u16 random16()
{
    auto const word = random_word();
    return static_cast<u16>(word ? *word : (time_stamp() * 0x9e37'79b9'7f4a'7c15ull) >> 40);
}

// Nothing that leaves us goes there: this network, loopback, link-local, groups, and what is reserved.
constexpr bool is_global(Ipv4Address address)
{
    u32 const first = address.value >> 24;
    return first != 0 && first != 127 && first < 224 && address.value >> 16 != 0xa9fe;
}

} // namespace

bool Stack::add_outside(Heap& heap, Network& part, MacAddress address)
{
    auto* const interface = count_ < most_interfaces ? heap.make<Interface>(*this, part) : nullptr;
    Nat* const nat = heap.make<Nat>();
    upstream_socket = udp_new();
    if (!interface || !nat || !upstream_socket || udp_bind(upstream_socket, IP4_ADDR_ANY, 0) != ERR_OK)
        return false;
    udp_recv(upstream_socket, Interface::dns_answer, this);
    interface->address = address;
    interface->port = part.connect(*this, count_, address);
    ip4_addr_t const none{0};
    if (interface->port == no_port || !netif_add(&interface->lwip, &none, &none, &none, interface, Interface::start, ethernet_input))
        return false;
    nat->begin(tsc_hz_, owners_, random16() | static_cast<u32>(random16()) << 16);
    nat_ = nat;
    outside_interface_ = interface;
    interfaces_[count_++] = interface;
    netif_set_default(&interface->lwip);
    netif_set_link_down(&interface->lwip);
    netif_set_up(&interface->lwip);
    return true;
}

// ---- guests' packets ----

bool Stack::is_inside(Ipv4Address address) const
{
    return std::any_of(interfaces_, interfaces_ + count_, [&](Interface const* interface) { return interface->neighbours && interface->neighbours->subnet().contains(address); });
}

// Who sends, by the address it was given. Nothing: the address is not its own.
std::optional<Nat::Owner> Stack::owner_of(Interface const& from, Ipv4Address source, MacAddress hardware) const
{
    if (!from.neighbours->owns(hardware, source))
        return std::nullopt;
    auto const known = from.neighbours->known();
    auto const place = std::find_if(known.begin(), known.end(), [&](Neighbour const& neighbour) { return neighbour.address == source; });
    u32 const network = static_cast<u32>(std::find(interfaces_, interfaces_ + count_, &from) - interfaces_);
    return Nat::Owner{from.first_owner + static_cast<u32>(place - known.begin()), network};
}

Delivery Stack::route_out(Interface& from, Frame const& frame)
{
    return suit(frame, {}, [&](Frame const& plain) {
        u8 space[max_headers];
        Frame const held = with_head(plain, std::span{space}.first(std::min<usize>(plain.size, sizeof space)));
        std::span<u8> const packet = std::span{space}.first(held.head.size()).subspan(sizeof(EthernetHeader));
        auto const header = read_header<Ipv4Header>(packet);
        Ipv4Address const destination{header ? u32{header->destination} : 0};
        auto const owner = header ? owner_of(from, {header->source}, held.ethernet().source) : std::nullopt;
        if (!owner || !outside_.is_bound() || outside_.conflict || !is_global(destination) || is_inside(destination) || destination == outside_.subnet.broadcast()) {
            unrouted_++;
            return Delivery::taken;
        }
        std::span<u8> const head = std::span{space}.first(held.head.size());
        usize const available = plain.size - sizeof(EthernetHeader);
        if (destination == outside_.address) {
            NatDrop why;
            if (auto const inside = nat_->turn_round(packet, available, *owner, outside_.address, random16(), time_stamp(), why))
                send_inside(head, held, *inside);
            unrouted_ += why == NatDrop::unknown;
        } else if (nat_->outbound(packet, available, *owner, outside_.address, random16(), time_stamp()) == NatDrop::none) {
            send_outside(head, held, destination);
        }
        return Delivery::taken;
    });
}

// `head`: the frame's own, to be changed.
void Stack::send_outside(std::span<u8> head, Frame const& frame, Ipv4Address destination)
{
    Interface& interface = *outside_interface_;
    ip4_addr_t const hop = lwip_address(outside_.subnet.contains(destination) ? destination : outside_.router);
    eth_addr* hardware = nullptr;
    ip4_addr_t const* address = nullptr;
    if (etharp_find_addr(&interface.lwip, &hop, &hardware, &address) >= 0) [[likely]] {
        EthernetHeader ethernet{{}, interface.address, static_cast<u16>(EtherType::ipv4)};
        std::copy_n(hardware->addr, 6, ethernet.destination.bytes);
        write_header(head, 0, ethernet);
        return interface.part.forward(interface.port, frame);
    }
    // lwIP asks who has that address, and keeps one packet meanwhile.
    unresolved_++;
    u32 const bytes = frame.size - static_cast<u32>(sizeof(EthernetHeader));
    pbuf* const packet = pbuf_alloc(PBUF_LINK, static_cast<u16_t>(bytes), PBUF_RAM);
    if (!packet)
        return;
    FrameReader reader{frame};
    reader.pass(sizeof(EthernetHeader));
    for (pbuf* part = packet; part; part = part->next)
        reader.copy({static_cast<u8*>(part->payload), part->len});
    etharp_query(&interface.lwip, &hop, packet);
    pbuf_free(packet);
    wait_for_arp();
}

// `head`: the frame's own, to be changed.
void Stack::send_inside(std::span<u8> head, Frame const& frame, Nat::Inside inside)
{
    Interface& to = *interfaces_[inside.network];
    if (MacAddress const* const hardware = to.neighbours->hardware_of(inside.guest)) {
        write_header(head, 0, EthernetHeader{*hardware, to.address, static_cast<u16>(EtherType::ipv4)});
        to.part.forward(to.port, frame);
    }
}

bool Stack::route_in(Frame const& frame)
{
    u8 space[max_headers];
    Frame const held = with_head(frame, std::span{space}.first(std::min<usize>(frame.size, sizeof space)));
    std::span<u8> const head = std::span{space}.first(held.head.size()), packet = head.subspan(sizeof(EthernetHeader));
    auto const header = read_header<Ipv4Header>(packet);
    if (!header || outside_.conflict)
        return false;
    NatDrop why;
    auto const inside = nat_->inbound(packet, frame.size - sizeof(EthernetHeader), time_stamp(), why);
    if (!inside)
        return why != NatDrop::unknown;
    send_inside(head, held, *inside);
    return true;
}

// ---- names ----

// `is_its_own`: the address it asks under. A client has its share of those who wait by that, so under no other it gets an answer.
void Stack::ask_upstream(std::span<u8> question, DnsClient const& client, bool is_its_own)
{
    auto const fail = [&] {
        u8 reply[dns_message_bytes];
        send_dns(*interfaces_[client.network], client.address, client.port, std::span{reply}.first(dns_.fail(question, reply)));
    };
    if (!is_its_own || !outside_.is_bound() || outside_.conflict || !outside_.name_server.value)
        return fail();
    u64 const now = time_stamp();
    if (!forwarder_.forward(question, client, random16(), now, dns_patience_seconds * tsc_hz_))
        return fail();
    dns_.counters().forwarded++;
    pbuf* const packet = pbuf_alloc(PBUF_TRANSPORT, static_cast<u16_t>(question.size()), PBUF_RAM);
    if (!packet)
        return;                                       // it expires, and is answered then
    pbuf_take(packet, question.data(), static_cast<u16_t>(question.size()));
    ip_addr_t const to = lwip_address(outside_.name_server);
    udp_sendto_if(upstream_socket, packet, &to, dns_port, &outside_interface_->lwip);
    pbuf_free(packet);
    wait_for_arp();
}

void Interface::dns_answer(void* stack, udp_pcb*, pbuf* packet, ip_addr_t const* from, u16_t port)
{
    auto& self = *static_cast<Stack*>(stack);
    u8 answer[dns_forward_bytes];
    u16 const size = packet->tot_len <= sizeof answer ? pbuf_copy_partial(packet, answer, sizeof answer, 0) : 0;
    pbuf_free(packet);
    if (port == dns_port && our_address(*ip_2_ip4(from)) == self.outside().name_server)
        self.relay_dns({answer, size});
}

void Stack::relay_dns(std::span<u8> answer)
{
    auto const client = forwarder_.relay(answer);
    if (!client)
        return;
    dns_.counters().relayed++;
    send_dns(*interfaces_[client->network], client->address, client->port, answer);
}

// ---- clocks ----

void Stack::wait_for_arp()
{
    asking_until_ = time_stamp() + arp_attempts_seconds * tsc_hz_;
    clock_changed_ = true;
}

void Stack::link_changed(bool up)
{
    if (!outside_interface_)
        return;
    netif& lwip = outside_interface_->lwip;
    if (!up)
        return netif_set_link_down(&lwip);
    netif_set_link_up(&lwip);
    if (dhcp_start(&lwip) != ERR_OK)
        give_up("lwIP's pools are too small");
    u64 const now = time_stamp();
    half_second_ = now + tsc_hz_ / 2;
    minute_ = now + 60 * tsc_hz_;
    second_passed_ = now;
    clock_changed_ = true;
}

// What the DHCP client has by now.
void Stack::look_at_lease()
{
    if (!outside_interface_)
        return;
    netif const& lwip = outside_interface_->lwip;
    Outside found;
    if (dhcp_supplied_address(&lwip)) {
        found.address = our_address(*netif_ip4_addr(&lwip));
        found.router = our_address(*netif_ip4_gw(&lwip));
        found.subnet = {found.address, static_cast<u8>(__builtin_popcount(netif_ip4_netmask(&lwip)->addr))};
        found.name_server = offered_name_server_;
        for (u32 i = 0; i < count_; i++)
            if (interfaces_[i]->neighbours && (found.subnet.contains(interfaces_[i]->neighbours->service()) || interfaces_[i]->neighbours->subnet().contains(found.address)))
                found.conflict = true;
    }
    if (found == outside_)
        return;
    outside_ = found;
    news_ = true;
    if (!found.is_bound())
        return;
    ip4_addr_t const router = lwip_address(found.router);
    etharp_query(outside_interface_ ? &outside_interface_->lwip : nullptr, &router, nullptr);   // somebody will want it soon
    wait_for_arp();
}

// lwIP's tables grow old by seconds. Nobody is woken for that: it is made up for when something happens.
void Stack::catch_up(u64 now)
{
    look_at_lease();
    if (now < second_passed_)                         // the caller looked at the clock before something else came
        return;
    if (now - second_passed_ > most_seconds_behind * tsc_hz_)
        second_passed_ = now - most_seconds_behind * tsc_hz_;
    for (; now - second_passed_ >= tsc_hz_; second_passed_ += tsc_hz_)
        etharp_tmr();
}

void Stack::timer(u64 now)
{
    if (!outside_interface_)
        return;
    if (now >= half_second_) {
        half_second_ = now + tsc_hz_ / 2;
        dhcp_fine_tmr();
    }
    if (now >= minute_) {
        minute_ = now + 60 * tsc_hz_;
        dhcp_coarse_tmr();
        half_second_ = std::min(half_second_, now + tsc_hz_ / 2);   // it may have asked for a longer lease
    }
    catch_up(now);
    u8  question[dns_message_bytes];
    usize size = 0;
    while (auto const client = forwarder_.expired(now, question, size)) {
        u8 reply[dns_message_bytes];
        send_dns(*interfaces_[client->network], client->address, client->port, std::span{reply}.first(dns_.fail(std::span{question}.first(size), reply)));
    }
}

u64 Stack::deadline()
{
    clock_changed_ = false;
    u64 first = std::min(minute_, forwarder_.next_deadline());
    // The DHCP client counts half seconds while it has no lease, or asks to keep it.
    if (!outside_.is_bound() || (outside_interface_ && netif_dhcp_data(&outside_interface_->lwip) && netif_dhcp_data(&outside_interface_->lwip)->request_timeout))
        first = std::min(first, half_second_);
    if (asking_until_ > second_passed_)
        first = std::min(first, second_passed_ + tsc_hz_);
    return first;
}

} // namespace kennel::service::net
