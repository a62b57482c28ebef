// SPDX-License-Identifier: Apache-2.0
//
// See mac_table.hpp.
#include "drivers/net/mac_table.hpp"

namespace kennel::service::net {

bool MacTable::fix(MacAddress address, PortNumber port)
{
    u64 const number = address.number();
    if (look(address))
        return false;
    for (u32 i = 0, place = first_place(number); i < probes; i++, place = (place + 1) % places) {
        Entry& entry = entries_[place];
        if (entry.address == free) {
            entry = {number, 0, static_cast<u8>(port), true};
            return true;
        }
    }
    return false;
}

void MacTable::learn(MacAddress address, PortNumber port, u64 now, u64 lifetime)
{
    u64 const number = address.number();
    // Its own entry, else a free one, else one that is past its time, else the oldest this port may displace.
    Entry* best = nullptr;
    bool const at_limit = learned_[port] >= learned_per_port;
    for (u32 i = 0, place = first_place(number); i < probes; i++, place = (place + 1) % places) {
        Entry& entry = entries_[place];
        if (entry.address == number) {
            if (entry.fixed)
                return;
            if (entry.port != port) {                 // it moved
                learned_[entry.port]--;
                learned_[port]++;
                entry.port = static_cast<u8>(port);
            }
            entry.seen = now;
            return;
        }
        if (entry.fixed || (at_limit && entry.address != free && entry.port != port) || (at_limit && entry.address == free))
            continue;
        auto const rank = [&](Entry const& of) { return of.address == free ? ~0ull : now - of.seen; };
        if (!best || rank(entry) > rank(*best))
            best = &entry;
    }
    if (!best)
        return;
    bool const displaces = best->address != free;
    if (displaces && best->port != port && now - best->seen < lifetime)
        return;                                       // another port's, and in use
    if (displaces)
        learned_[best->port]--;
    learned_[port]++;
    *best = {number, now, static_cast<u8>(port), false};
}

} // namespace kennel::service::net
