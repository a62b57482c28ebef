// SPDX-License-Identifier: Apache-2.0
//
// Who lives on a network that the service runs itself: addresses and names. The guests' are the configuration's and never
// change; an address nobody knows gets one of a few leases, for as long as it keeps asking.
// DHCP hands the addresses out, DNS answers for the names, NAT and forwards ask where a guest is.
#pragma once
#include "drivers/net/address.hpp"
#include <algorithm>
#include <span>
#include <string_view>

namespace kennel::service::net {

inline constexpr u32 max_neighbours = 32;             // guests' cards on one network
inline constexpr u32 max_strangers  = 32;             // leases for addresses that are not in the configuration

struct Neighbour {
    MacAddress       hardware;
    Ipv4Address      address;
    std::string_view name;                            // of the guest; a label of DNS, which case does not matter for
};

class Neighbours {
public:
    // Host numbers in the subnet: the service is .1, guests begin at .16, strangers at .128 (a /24 at least).
    static constexpr u32 service_host = 1, first_guest = 16, first_stranger = 128;

    explicit constexpr Neighbours(Subnet subnet) : subnet_{subnet} {}

    Subnet      subnet() const { return subnet_; }
    Ipv4Address service() const { return subnet_.at(service_host); }

    // False: there are too many. The n-th added has host number first_guest + n, at every start of the machine.
    bool add(MacAddress hardware, std::string_view name)
    {
        if (count_ == max_neighbours)
            return false;
        known_[count_] = {hardware, subnet_.at(first_guest + count_), name};
        count_++;
        return true;
    }
    std::span<Neighbour const> known() const { return {known_, count_}; }

    Neighbour const* find(MacAddress hardware) const { return first([&](Neighbour const& n) { return n.hardware == hardware; }); }
    Neighbour const* find(Ipv4Address address) const { return first([&](Neighbour const& n) { return n.address == address; }); }

    // The address for somebody who asks; the same one again as long as nobody newer needed it. `now` in any unit.
    Ipv4Address lease(MacAddress hardware, u64 now)
    {
        if (Neighbour const* known = find(hardware))
            return known->address;
        u32 best = 0;
        for (u32 i = 0; i < max_strangers; i++) {
            if (strangers_[i].hardware == hardware) {
                best = i;
                break;
            }
            if (strangers_[i].seen < strangers_[best].seen)
                best = i;
        }
        strangers_[best] = {hardware, now + 1};
        return subnet_.at(first_stranger + best);
    }
    // Where an address lives on this network. Nothing: nobody has it.
    MacAddress const* hardware_of(Ipv4Address address) const
    {
        if (Neighbour const* known = find(address))
            return &known->hardware;
        for (u32 i = 0; i < max_strangers; i++)
            if (strangers_[i].seen && subnet_.at(first_stranger + i) == address)
                return &strangers_[i].hardware;
        return nullptr;
    }

    // Whether that address was given to it.
    bool owns(MacAddress hardware, Ipv4Address address) const
    {
        MacAddress const* const given = hardware_of(address);
        return given && *given == hardware;
    }

private:
    struct Stranger { MacAddress hardware; u64 seen = 0; };   // 0: free

    template<class Is> Neighbour const* first(Is&& is) const
    {
        auto const* const found = std::find_if(known_, known_ + count_, is);
        return found == known_ + count_ ? nullptr : found;
    }

    Subnet    subnet_;
    Neighbour known_[max_neighbours];
    u32       count_ = 0;
    Stranger  strangers_[max_strangers];
};

} // namespace kennel::service::net
