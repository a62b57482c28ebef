// SPDX-License-Identifier: Apache-2.0
//
// Which port an address lives behind. Fixed entries are the configuration's and stay; others are learned, grow old, and are
// limited for each port, so that one that invents addresses displaces its own only. Never grows; a lookup looks at eight places.
#pragma once
#include "drivers/net/port.hpp"

namespace kennel::service::net {

class MacTable {
public:
    static constexpr u32 places = 512, probes = 8;
    static constexpr u32 learned_per_port = 64;

    void clear() { *this = MacTable{}; }

    // False: it is there already, or its eight places are taken.
    bool fix(MacAddress address, PortNumber port);
    // `now` in any unit, as long as `lifetime` is in the same.
    void learn(MacAddress address, PortNumber port, u64 now, u64 lifetime);
    // no_port: unknown, or not seen for `lifetime`.
    PortNumber find(MacAddress address, u64 now, u64 lifetime) const
    {
        Entry const* const entry = look(address);
        return entry && (entry->fixed || now - entry->seen < lifetime) ? entry->port : no_port;
    }
    bool is_fixed(MacAddress address) const
    {
        Entry const* const entry = look(address);
        return entry && entry->fixed;
    }
    u32 learned(PortNumber port) const { return learned_[port]; }

private:
    struct Entry { u64 address = free; u64 seen = 0; u8 port = 0; bool fixed = false; };
    static constexpr u64 free = ~0ull;

    static u32 first_place(u64 address)
    {
        constexpr u64 golden = 0x9e37'79b9'7f4a'7c15;
        constexpr u32 bits = 9;
        static_assert(1u << bits == places);
        return static_cast<u32>((address * golden) >> (64 - bits));
    }
    Entry const* look(MacAddress address) const
    {
        u64 const number = address.number();
        for (u32 i = 0, place = first_place(number); i < probes; i++, place = (place + 1) % places)
            if (entries_[place].address == number)
                return &entries_[place];
        return nullptr;
    }

    Entry entries_[places] = {};
    u16   learned_[max_ports] = {};
};

} // namespace kennel::service::net
