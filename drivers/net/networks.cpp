// SPDX-License-Identifier: Apache-2.0
//
// See networks.hpp.
#include "drivers/net/networks.hpp"
#include "drivers/instructions.hpp"

namespace kennel::service::net {

namespace {

constexpr u64 ageing_seconds = 300;                   // IEEE 802.1Q, "Ageing Time"
constexpr u64 floods_per_second = 1000;
constexpr u32 flood_burst = 256;
constexpr u64 completions_per_second = 5000;          // interrupts of one card for what was sent, where nobody waits for them
constexpr u64 kicks_per_second = 500;                 // the work for one is less than a turn: what lies far beyond its end nobody would pay

// Of a processor's time, for frames from other CPUs: their senders pay nothing here. Guests that exchange as much as they can
// need less, since what they do with a frame costs them far more. The wire's are smaller, and most go through NAT.
constexpr u64 others_share = 12, wires_share = 4, bursts = 200;   // a second

Text dotted(Ipv4Address address)
{
    u32 const value = address.value;
    return Text{value >> 24, ".", value >> 16 & 255, ".", value >> 8 & 255, ".", value & 255};
}

// Those that there were, each by its reason.
template<class Reason> void add_drops(Text& text, std::span<u64 const> drops)
{
    for (usize i = 0; i < drops.size(); i++)
        if (drops[i])
            text.add(", ", name_of(static_cast<Reason>(i)), " ", drops[i]);
}

} // namespace

void Networks::begin(ManifestReader const& manifest, abi::InfoPage const& info)
{
    count_ = manifest.network_count();
    cpus_ = info.cpu_count;
    tsc_hz_ = info.tsc_hz;
    owns_devices_ = info.owns_devices;
    for (Inflow& from_others : from_others_)
        from_others.pace = Pace{others_share, tsc_hz_ / bursts};
    from_wire_.pace = Pace{wires_share, tsc_hz_ / bursts};
    for (u32 i = 0; i < count_; i++) {
        networks_[i].recipe = manifest.network(i);
        networks_[i].is_ours = networks_[i].recipe.service == info.service;
        networks_[i].neighbours = Neighbours{{{networks_[i].recipe.subnet}, 24}};
    }
}

Network* Networks::part(Maker const& maker, u32 network, u32 cpu)
{
    Network*& part = networks_[network].on[cpu];
    if (!part)
        part = maker.heap.make<Network>(network, ageing_seconds * tsc_hz_, trunk_event_);
    return part;
}

VirtioNet* Networks::add_card(Maker const& maker, abi::ManifestCard const& recipe, std::string_view guest, u32 home, Text& why)
{
    Planned& network = networks_[recipe.network];
    MacAddress const address = address_of(recipe);
    auto* const card = maker.heap.make<VirtioNet>(address, recipe.mtu, VirtioNet::Patience{tsc_hz_ / completions_per_second, tsc_hz_ / kicks_per_second});
    Network* const here = card ? part(maker, recipe.network, home) : nullptr;
    if (!here) {
        why = Text{"no room in the service's own memory"};
        return nullptr;
    }
    bool const any_source = recipe.options & static_cast<u32>(abi::CardOption::any_source);
    PortNumber const port = here->connect(*card, {.address = address, .own_address_only = !any_source, .flood_interval = tsc_hz_ / floods_per_second, .flood_burst = flood_burst});
    if (port == no_port || !network.neighbours.add(address, guest)) {
        why = Text{"there are too many on network ", name_of(network.recipe)};
        return nullptr;
    }
    card->connect(*here, port);
    network.members[network.member_count++] = {address, home};
    Ipv4Address const guests = network.neighbours.find(address)->address;
    for (auto const& forward : recipe.forwards) {
        if (!forward.port)
            continue;
        if (wish_count_ == std::size(wishes_)) {
            why = Text{"there are more than ", Nat::most_forwards, " forwards"};
            return nullptr;
        }
        wishes_[wish_count_++] = {recipe.network, {static_cast<Protocol>(forward.protocol), forward.port, 0, guests, forward.guest_port}};
    }
    return card;
}

Trunk* Networks::trunk(Maker const& maker, u32 from, u32 to)
{
    Trunk*& trunk = trunks_[from][to];
    if (trunk)
        return trunk;
    if (ring_space_.size() < Trunk::ring_bytes) {
        Extents::Piece const piece = maker.extents.take(large_page);
        ring_space_ = {reinterpret_cast<u8*>(piece.base), piece.size};
        if (piece.size < Trunk::ring_bytes)
            return nullptr;
    }
    trunk = maker.heap.make<Trunk>(ring_space_.first<Trunk::ring_bytes>(), from, to);
    if (trunk)
        ring_space_ = ring_space_.subspan(Trunk::ring_bytes);
    return trunk;
}

// Where some network wants it, the card becomes a port: of the network in mode bridge, or of one that only NAT is on.
void Networks::find_uplink(Maker const& maker)
{
    bool wanted = false;
    std::optional<u32> bridged;
    for (u32 i = 0; i < count_; i++) {
        if (!networks_[i].is_ours || networks_[i].member_count == 0 || networks_[i].recipe.mode == abi::NetworkMode::isolated)
            continue;
        wanted = true;
        if (networks_[i].recipe.mode == abi::NetworkMode::bridge)
            bridged = i;
    }
    if (!wanted)
        return;
    if (!owns_devices_)
        return maker.log.line(Text{"uplink: this service does not own the machine's network card: its networks have no way out"});
    if (!uplink_.discover(maker.heap, tsc_hz_, bridged.has_value(), maker.log))
        return;
    outside_ = bridged ? part(maker, *bridged, 0) : maker.heap.make<Network>(abi::max_networks, ageing_seconds * tsc_hz_, trunk_event_);
    if (outside_)
        wire_ = outside_->connect(uplink_.card(), {.own_address_only = false, .flood_interval = tsc_hz_ / floods_per_second, .flood_burst = flood_burst});
    if (wire_ == no_port) {
        maker.log.line(Text{"uplink: no memory for the network outside"});
        outside_ = nullptr;
    }
}

// The service's interface outside, where a network in mode nat wants one.
bool Networks::go_outside(Maker const& maker)
{
    bool wanted = false;
    for (u32 i = 0; i < count_; i++)
        wanted |= networks_[i].interface && networks_[i].recipe.mode == abi::NetworkMode::nat;
    if (!wanted || !outside_)
        return true;
    if (!stack_.add_outside(maker.heap, *outside_, uplink_.card().address())) {
        maker.log.line(Text{"uplink: no memory for the service's own address outside"});
        return false;
    }
    for (u32 i = 0; i < wish_count_; i++) {
        Forward forward = wishes_[i].forward;
        forward.network = networks_[wishes_[i].network].interface.value_or(0);
        if (!stack_.forward(forward)) {
            maker.log.line(Text{"uplink: port ", forward.port, " cannot be forwarded"});
            return false;
        }
    }
    return true;
}

bool Networks::run_services(Maker const& maker)
{
    bool begun = false;
    for (u32 i = 0; i < count_; i++) {
        Planned& network = networks_[i];
        if (!network.is_ours || network.member_count == 0 || network.recipe.mode == abi::NetworkMode::bridge)
            continue;
        if (!begun)
            stack_.begin(tsc_hz_);
        begun = true;
        Network* const here = part(maker, i, 0);
        auto const added = here ? stack_.add(maker.heap, *here, network.neighbours, outside_ && network.recipe.mode == abi::NetworkMode::nat) : std::nullopt;
        if (!added) {
            maker.log.line(Text{"network ", name_of(network.recipe), ": no memory for the service's own card"});
            return false;
        }
        network.interface = added->interface;
        network.members[network.member_count++] = {added->address, 0};
    }
    return true;
}

// ---- the machine's card ----

void Networks::start(u64 event, Log& log)
{
    if (!outside_)
        return;
    uplink_.start(event, log);
    stack_.link_changed(uplink_.card().link());
}

bool Networks::Inflow::worked(u64& now)
{
    u64 const begin = now;
    now = time_stamp();
    pace.worked(begin, now);
    return pace.allows(now);
}

// While it may not be looked at the card is not acknowledged, so it does not ring: frames wait in its buffers, or are lost there.
u64 Networks::serve_wire(Log& log)
{
    if (!outside_)
        return ~0ull;
    u64 now = time_stamp();
    bool has_more = true;
    if (from_wire_.pace.allows(now)) {
        if (uplink_.interrupt()) {
            log.line(Text{"uplink: link ", uplink_.card().link() ? "up" : "down"});
            stack_.link_changed(uplink_.card().link());
        }
        has_more = uplink_.card().receive(Uplink::most_frames, [&](Frame const& frame) {
            outside_->forward(wire_, frame);
            return from_wire_.worked(now);
        });
        if (!has_more)
            uplink_.acknowledge();
        tell(log);
        static_cast<void>(from_wire_.worked(now));
    }
    return from_wire_.ended(has_more, now);
}

void Networks::timer(u64 now, Log& log)
{
    stack_.timer(now);
    tell(log);
}

void Networks::tell(Log& log)
{
    if (!stack_.take_news()) [[likely]]
        return;
    Stack::Outside const& outside = stack_.outside();
    if (!outside.is_bound())
        return log.line(Text{"uplink: its address is gone"});
    log.line(Text{"uplink: address ", dotted(outside.address).view(), "/", u64{outside.subnet.bits}, ", router ", dotted(outside.router).view(), ", name server ", dotted(outside.name_server).view(),
                  outside.conflict ? ": one of our own networks overlaps with it, so nothing is routed" : ""});
}

bool Networks::finish(Maker const& maker)
{
    find_uplink(maker);
    if (!run_services(maker) || !go_outside(maker))
        return false;
    for (u32 i = 0; i < count_; i++) {
        Planned& network = networks_[i];
        for (u32 here = 0; here < cpus_; here++)
            for (u32 there = 0; there < cpus_; there++) {
                if (here == there || !network.on[here] || !network.on[there])
                    continue;
                Trunk* const out = trunk(maker, here, there);
                PortNumber const port = out ? network.on[here]->connect(*out) : no_port;
                if (port == no_port) {
                    maker.log.line(Text{"network ", name_of(network.recipe), ": no memory for the way from CPU ", here, " to CPU ", there});
                    return false;
                }
                for (u32 m = 0; m < network.member_count; m++)
                    if (network.members[m].cpu == there)
                        static_cast<void>(network.on[here]->fix(network.members[m].address, port));   // else it is reached like a stranger
            }
    }
    return true;
}

u64 Networks::drain(u32 cpu)
{
    Inflow& from_others = from_others_[cpu];
    Pace const& pace = from_others.pace;
    u64 now = time_stamp();
    bool more = false;
    for (u32 i = 0; i < cpus_ && pace.allows(now); i++) {
        u32 const from = (from_others.first + i) % cpus_;
        Trunk* const trunk = trunks_[from][cpu];
        if (!trunk)
            continue;
        more |= trunk->drain([&](u32 number, Frame const& frame) {
            if (Network* const network = networks_[number].on[cpu])
                network->arrived(*trunk, frame);
            return from_others.worked(now);
        });
        if (!pace.allows(now))
            from_others.first = from + 1;
    }
    return from_others.ended(more, now);
}

void Networks::report(u32 cpu, Log& log)
{
    for (u32 number = 0; number <= count_; number++) {
        bool const is_outside = number == count_;
        if (is_outside && (cpu != 0 || !outside_ || outside_->number() != abi::max_networks))
            break;
        Network* const network = is_outside ? outside_ : networks_[number].on[cpu];
        for (PortNumber port = 0; network && port < network->count(); port++) {
            PortCounters const& counters = network->counters(port);
            Text text{"network ", is_outside ? "outside" : name_of(networks_[number].recipe), " CPU ", cpu, " port ", port, " (", network->describe(port), "): in ", counters.packets_in, " packets ",
                      counters.bytes_in, " bytes, out ", counters.packets_out, " packets ", counters.bytes_out, " bytes"};
            add_drops<Drop>(text, counters.drops);
            log.line(text);
        }
    }
    if (cpu == 0 && stack_.interfaces()) {
        DnsCounters const& dns = stack_.dns_counters();
        log.line(Text{"network services: DNS questions ", dns.questions, ", answered ", dns.answered, ", failed ", dns.failed, ", relayed ", dns.relayed, ", malformed ", dns.malformed,
                      ", unanswered ", dns.unanswered(stack_.waiting()), "; packets nobody routes ", stack_.unrouted()});
        for (u32 i = 0; i < stack_.interfaces(); i++)
            if (DhcpCounters const* const dhcp = stack_.dhcp_counters(i))
                log.line(Text{"network services: DHCP ", i, ": offers ", dhcp->offers, ", acknowledged ", dhcp->acknowledged, ", refused ", dhcp->refused, ", ignored ", dhcp->ignored});
    }
    if (cpu != 0 || !outside_)
        return;
    E1000::Counters const& card = uplink_.card().counters();
    log.line(Text{"uplink: sent ", card.sent, ", received ", card.received, ", no room to send ", card.full, ", malformed ", card.malformed, ", missed ", card.missed,
                  ", link changes ", card.link_changes, ", next hop not known yet ", stack_.unresolved()});
    if (Nat const* const nat = stack_.nat()) {
        NatCounters const& counters = nat->counters();
        Text text{"uplink: NAT out ", counters.out, ", in ", counters.in, ", connections ", counters.opened, ", displaced ", counters.displaced};
        add_drops<NatDrop>(text, counters.drops);
        log.line(text);
    }
}

} // namespace kennel::service::net
