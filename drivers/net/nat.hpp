// SPDX-License-Identifier: Apache-2.0
//
// Network address translation (RFC 3022): guests' connections to the outside under the service's one address there, and forwards
// of its ports to guests. IPv4 only: whole TCP and UDP packets, echo, and the errors that come back for them.
//   guest -> outbound(packet) -> the wire -> inbound(packet) -> guest
//   guest -> turn_round(packet) -> a guest of the same network, by a forward of our address
// A connection takes an entry of a table that does not grow. Each owner has its share of it and, beyond that, loses its own oldest
// connection. An entry belongs to one peer, so nothing comes in unasked. A forward takes none, whatever comes in. Nothing runs by
// a clock: what is old is found when somebody needs an entry.
#pragma once
#include "drivers/net/headers.hpp"
#include "hv/abi/manifest.hpp"

namespace kennel::service::net {

enum class NatDrop : u8 { none, malformed, fragment, protocol, hops, unknown, count };

constexpr char const* name_of(NatDrop drop)
{
    switch (drop) {
    case NatDrop::malformed: return "malformed";
    case NatDrop::fragment:  return "fragment";
    case NatDrop::protocol:  return "protocol";
    case NatDrop::hops:      return "hops";
    case NatDrop::unknown:   return "unknown";
    default:                 return "none";
    }
}

struct NatCounters { u64 out = 0, in = 0, opened = 0, displaced = 0, drops[static_cast<usize>(NatDrop::count)] = {}; };

struct Forward {
    Protocol    protocol{};                           // tcp or udp
    u16         port = 0;                             // of the service's address outside
    u32         network = 0;
    Ipv4Address guest;
    u16         guest_port = 0;
};

class Nat {
public:
    static constexpr u32 most = 2048, most_forwards = 32;
    static constexpr u32 most_owners = abi::max_cards + abi::max_networks;   // each network's strangers share one
    // Ports that connections get: the entry's number, and a round that nobody can guess. The stack's own lie above.
    static constexpr u32 first_port = 16384, rounds = 16;
    static_assert(first_port + most * rounds == 49152);

    // `second`: in the caller's ticks. `owners`: how many share the table, at most most_owners. `secret`: so that nobody can choose where an entry goes.
    void begin(u64 second, u32 owners, u32 secret);
    // False: there are too many, or another has that port, or that port of the guest's.
    bool add(Forward const& forward);

    // A guest's card. `number` is below what begin() was told.
    struct Owner { u32 number, network; };

    // `packet`: from the IPv4 header on, as far as it was copied; `available`: bytes the frame has from there. Changed in place.
    NatDrop outbound(std::span<u8> packet, usize available, Owner owner, Ipv4Address ours, u16 random, u64 now);

    struct Inside { u32 network; Ipv4Address guest; };
    // A packet to our address. `unknown`: it is for no guest.
    std::optional<Inside> inbound(std::span<u8> packet, usize available, u64 now, NatDrop& why);
    // A guest's packet to our address: out and in again, so that the answer takes the same way. `unknown`: it is for no guest of the
    // sender's network; a forward is no way into another one.
    std::optional<Inside> turn_round(std::span<u8> packet, usize available, Owner owner, Ipv4Address ours, u16 random, u64 now, NatDrop& why);

    NatCounters const& counters() const { return counters_; }
    u32 in_use() const { return in_use_; }

private:
    using Index = u16;
    static constexpr Index none = 0xffff;
    enum class Life : u8 { free, begun, established, ending };

    struct Key {
        Ipv4Address guest, peer;
        u16 guest_port, peer_port;
        u8  network;
        Protocol protocol;
        bool operator==(Key const&) const = default;
    };
    struct Entry {
        Key   key{};
        u16   port = 0;
        Life  life = Life::free;
        u8    owner = 0;                              // below most_owners
        static_assert(most_owners <= 256);
        Index next = none;                            // of its bucket, or of the free ones
        Index older = none, newer = none;             // of its owner's
        u64   seen = 0;
    };
    struct Share { Index oldest = none, newest = none; u32 count = 0; };

    // Where a packet of TCP, UDP or echo comes from and goes to.
    struct Flow { Ipv4Packet ip; u16 source, destination; u8 flags; };

    static NatDrop read(std::span<u8 const> packet, usize available, Flow& flow);
    NatDrop drop(NatDrop why)
    {
        counters_.drops[static_cast<usize>(why)]++;
        return why;
    }
    std::optional<Inside> inbound_error(std::span<u8> packet, Ipv4Packet const& ip, u64 now, NatDrop& why);
    u32   bucket_of(Key const& key) const;
    Entry* find(Key const& key, u64 now);
    Entry* at_port(u16 port, Protocol protocol, Ipv4Address peer, u16 peer_port, u64 now);
    // Whose port of ours that is, for that peer; `entry`: the connection's, null: a forward's.
    struct End { Inside inside; u16 port; };
    std::optional<End> find_end(u16 port, Protocol protocol, Ipv4Address peer, u16 peer_port, u64 now, Entry*& entry);
    Entry* open(Key const& key, u32 owner, u16 random);
    void  close(Entry& entry);
    void  link(Entry& entry);
    void  unlink(Entry& entry);
    bool  is_old(Entry const& entry, u64 now) const;
    void  touch(Entry& entry, Flow const& flow, bool from_guest, u64 now);

    Entry   entries_[most];
    Index   buckets_[most];
    Index   first_free_ = none, last_free_ = none;    // used in turn, so that a port rests as long as can be
    Share   shares_[most_owners];
    u32     quota_ = most, secret_ = 0, in_use_ = 0;
    u64     second_ = 1;
    Forward forwards_[most_forwards];
    u32     forward_count_ = 0;
    NatCounters counters_;
};

} // namespace kennel::service::net
