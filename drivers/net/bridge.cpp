// SPDX-License-Identifier: Apache-2.0
//
// See bridge.hpp.
#include "drivers/net/bridge.hpp"

namespace kennel::service::net {

namespace {

// IEEE 802.1Q, "Reserved addresses": pause frames, spanning tree and the like end at a bridge.
constexpr bool is_link_local(MacAddress address) { return address.number() >> 4 == 0x0180'c200'000; }

} // namespace

PortNumber BridgeState::add(PortRecipe const& recipe)
{
    if (count_ == max_ports)
        return no_port;
    PortNumber const number = count_;
    if (recipe.address != MacAddress{} && !table_.fix(recipe.address, number))
        return no_port;
    ports_[number] = {};
    ports_[number].recipe = recipe;
    if (recipe.is_trunk)
        trunks_ |= 1ull << number;
    count_++;
    return number;
}

// The generic cell rate algorithm: a frame is early by how far its due time lies ahead, and may be early by a burst.
bool BridgeState::may_flood(Port& port, u64 now)
{
    if (!port.recipe.flood_interval)
        return true;
    u64 const due = port.flood_next > now ? port.flood_next : now;
    if (due - now > port.recipe.flood_interval * port.recipe.flood_burst)
        return false;
    port.flood_next = due + port.recipe.flood_interval;
    return true;
}

BridgeState::Way BridgeState::way_of(PortNumber from, Frame const& frame, u64 now)
{
    Port& port = ports_[from];
    EthernetHeader const header = frame.ethernet();
    port.counters.packets_in++;
    port.counters.bytes_in += frame.size;

    if (!port.recipe.is_trunk) {
        if (port.recipe.own_address_only) {
            if (header.source != port.recipe.address) {
                port.counters.dropped(Drop::spoofed);
                return {};
            }
        } else {
            if (header.source.is_group() || header.source == MacAddress{}) {
                port.counters.dropped(Drop::bad_header);
                return {};
            }
            // An address the configuration gave to somebody is nobody else's, on an open port neither.
            if (table_.is_fixed(header.source)) {
                if (table_.find(header.source, now, lifetime_) != from) {
                    port.counters.dropped(Drop::spoofed);
                    return {};
                }
            } else {
                table_.learn(header.source, from, now, lifetime_);
            }
        }
    } else if (!table_.is_fixed(header.source)) {
        table_.learn(header.source, from, now, lifetime_);
    }

    u64 const self = 1ull << from;
    if (!header.destination.is_group()) [[likely]] {
        if (PortNumber const to = table_.find(header.destination, now, lifetime_); to != no_port) [[likely]] {
            u64 const way = 1ull << to;
            return {port.recipe.is_trunk ? way & ~trunks_ & ~self : way & ~self};
        }
    } else if (is_link_local(header.destination)) {
        return {};
    }
    if (!port.recipe.is_trunk && !may_flood(port, now)) {
        port.counters.dropped(Drop::flood_limit);
        return {};
    }
    u64 const all = count_ == max_ports ? ~0ull : (1ull << count_) - 1;
    return {all & ~self & (port.recipe.is_trunk ? ~trunks_ : ~0ull)};
}

} // namespace kennel::service::net
