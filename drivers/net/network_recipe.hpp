// SPDX-License-Identifier: Apache-2.0
//
// Networks and cards of the manifest, checked. The manifest is a file, so nothing in it is believed.
#pragma once
#include "drivers/net/address.hpp"
#include "hv/lib/manifest.hpp"

namespace kennel::service::net {

enum class NetworkFault : u8 { name, mode, bridges, service, subnet, guest, network, address, address_twice, mtu, options, forward };

constexpr std::string_view describe(NetworkFault fault)
{
    switch (fault) {
    case NetworkFault::name:          return "a network's name is empty, or has other characters than small letters, digits and '-'";
    case NetworkFault::mode:          return "a network's mode is unknown";
    case NetworkFault::bridges:       return "two networks want the machine's card for themselves (mode bridge)";
    case NetworkFault::service:       return "a network's service does not exist";
    case NetworkFault::subnet:        return "a network's subnet is no private /24, or another's";
    case NetworkFault::guest:         return "a card's guest does not exist, or belongs to another service than its network";
    case NetworkFault::network:       return "a card's network does not exist";
    case NetworkFault::address:       return "a card's address is a group's, or zero";
    case NetworkFault::address_twice: return "two cards have one address";
    case NetworkFault::mtu:           return "a card's MTU is not in 68 to 9000";
    case NetworkFault::options:       return "a card has an unknown option";
    case NetworkFault::forward:       return "a forward has no ports, is neither TCP's nor UDP's, takes a port of another's, or its network is not in mode nat";
    }
    return "";
}

inline std::string_view name_of(abi::ManifestNetwork const& network)
{
    return {network.name, static_cast<usize>(std::find(network.name, network.name + sizeof network.name, '\0') - network.name)};
}
inline MacAddress address_of(abi::ManifestCard const& card)
{
    MacAddress address;
    std::copy_n(card.address, sizeof address.bytes, address.bytes);
    return address;
}

// RFC 1918.
constexpr bool is_private(u32 address) { return address >> 24 == 10 || address >> 20 == 0xac1 || address >> 16 == 0xc0a8; }

// A port outside goes to one guest only, and a port of a guest's is reached by one: else nobody could tell whose answer comes back.
inline bool check_forwards(ManifestReader const& manifest, u32 number, abi::ManifestCard const& card)
{
    for (auto const& forward : card.forwards) {
        if (!forward.port)
            continue;
        if (!forward.guest_port || (forward.protocol != 6 && forward.protocol != 17) || manifest.network(card.network).mode != abi::NetworkMode::nat)
            return false;
        for (u32 i = 0; i <= number; i++)
            for (abi::ManifestCard const other_card = manifest.card(i); auto const& other : other_card.forwards) {
                if (i == number && &other - other_card.forwards >= &forward - card.forwards)
                    break;
                if (other.port && other.protocol == forward.protocol && (other.port == forward.port || (i == number && other.guest_port == forward.guest_port)))
                    return false;
            }
    }
    return true;
}

// All of them, or the first that is wrong.
inline Result<void, NetworkFault> check_networks(ManifestReader const& manifest)
{
    using enum NetworkFault;
    u32 bridge_count = 0;
    for (u32 i = 0; i < manifest.network_count(); i++) {
        abi::ManifestNetwork const entry = manifest.network(i);
        auto const text = name_of(entry);
        if (text.empty() || text.size() == sizeof entry.name ||
            !std::ranges::all_of(text, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; }))
            return Err(name);
        if (static_cast<u32>(entry.mode) > static_cast<u32>(abi::NetworkMode::bridge))
            return Err(mode);
        bridge_count += entry.mode == abi::NetworkMode::bridge;
        if (bridge_count > 1)
            return Err(bridges);
        if (entry.service >= manifest.service_count())
            return Err(service);
        if (!is_private(entry.subnet) || (entry.subnet & 0xff))
            return Err(subnet);
        for (u32 other = 0; other < i; other++)
            if (manifest.network(other).subnet == entry.subnet)
                return Err(subnet);
    }
    for (u32 i = 0; i < manifest.card_count(); i++) {
        abi::ManifestCard const entry = manifest.card(i);
        if (entry.network >= manifest.network_count())
            return Err(network);
        if (entry.guest >= manifest.guest_count() || manifest.guest(entry.guest).service != manifest.network(entry.network).service)
            return Err(guest);
        if (address_of(entry).is_group() || address_of(entry) == MacAddress{})
            return Err(address);
        for (u32 other = 0; other < i; other++)
            if (address_of(manifest.card(other)) == address_of(entry))
                return Err(address_twice);
        if (entry.mtu < 68 || entry.mtu > 9000)
            return Err(mtu);
        if (entry.options & ~1u)
            return Err(options);
        if (!check_forwards(manifest, i, entry))
            return Err(forward);
    }
    return {};
}

} // namespace kennel::service::net
