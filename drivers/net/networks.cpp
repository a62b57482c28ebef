// SPDX-License-Identifier: Apache-2.0
//
// See networks.hpp.
#include "drivers/net/networks.hpp"

namespace kennel::service::net {

namespace {

constexpr u64 ageing_seconds = 300;                   // IEEE 802.1Q, "Ageing Time"
constexpr u64 floods_per_second = 1000;
constexpr u32 flood_burst = 256;

} // namespace

void Networks::begin(ManifestReader const& manifest, u32 service, u32 cpus, u64 tsc_hz)
{
    count_ = manifest.network_count();
    cpus_ = cpus;
    tsc_hz_ = tsc_hz;
    for (u32 i = 0; i < count_; i++) {
        networks_[i].recipe = manifest.network(i);
        networks_[i].is_ours = networks_[i].recipe.service == service;
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
    auto* const card = maker.heap.make<VirtioNet>(address, recipe.mtu);
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

bool Networks::run_services(Maker const& maker)
{
    bool begun = false;
    for (u32 i = 0; i < count_; i++) {
        Planned& network = networks_[i];
        if (!network.is_ours || network.member_count == 0)
            continue;
        if (!begun)
            stack_.begin(tsc_hz_);
        begun = true;
        Network* const here = part(maker, i, 0);
        auto const address = here ? stack_.add(maker.heap, *here, network.neighbours, false) : std::nullopt;
        if (!address) {
            maker.log.line(Text{"network ", name_of(network.recipe), ": no memory for the service's own card"});
            return false;
        }
        network.members[network.member_count++] = {*address, 0};
    }
    return true;
}

bool Networks::finish(Maker const& maker)
{
    if (!run_services(maker))
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

bool Networks::drain(u32 cpu)
{
    bool more = false;
    for (u32 from = 0; from < cpus_; from++)
        if (Trunk* const trunk = trunks_[from][cpu])
            more |= trunk->drain([&](u32 number, Frame const& frame) {
                if (Network* const network = networks_[number].on[cpu])
                    network->arrived(*trunk, frame);
            });
    return more;
}

void Networks::report(u32 cpu, Log& log)
{
    for (u32 number = 0; number < count_; number++) {
        Network* const network = networks_[number].on[cpu];
        for (PortNumber port = 0; network && port < network->count(); port++) {
            PortCounters const& counters = network->counters(port);
            Text text{"network ", name_of(networks_[number].recipe), " CPU ", cpu, " port ", port, " (", network->describe(port), "): in ", counters.packets_in, " packets ",
                      counters.bytes_in, " bytes, out ", counters.packets_out, " packets ", counters.bytes_out, " bytes"};
            for (u32 i = 0; i < static_cast<u32>(Drop::count); i++)
                if (counters.drops[i])
                    for (auto const& part : {Text{", "}, Text{name_of(static_cast<Drop>(i))}, Text{" "}, Text{counters.drops[i]}})
                        text.add(part.view());
            log.line(text);
        }
    }
    if (cpu == 0 && stack_.interfaces()) {
        DnsCounters const& dns = stack_.dns_counters();
        log.line(Text{"network services: DNS questions ", dns.questions, ", answered ", dns.answered, ", failed ", dns.failed, ", relayed ", dns.relayed, ", malformed ", dns.malformed,
                      ", unanswered ", dns.unanswered(stack_.waiting()), "; packets nobody routes ", stack_.unrouted()});
        for (u32 i = 0; i < stack_.interfaces(); i++) {
            DhcpCounters const& dhcp = stack_.dhcp_counters(i);
            log.line(Text{"network services: DHCP ", i, ": offers ", dhcp.offers, ", acknowledged ", dhcp.acknowledged, ", refused ", dhcp.refused, ", ignored ", dhcp.ignored});
        }
    }
}

} // namespace kennel::service::net
