// SPDX-License-Identifier: Apache-2.0
//
// See nat.hpp.
#include "drivers/net/nat.hpp"
#include "drivers/net/checksum.hpp"

namespace kennel::service::net {

namespace {

// Seconds without a packet. RFC 5382, REQ-5; RFC 4787, REQ-5; RFC 5508, REQ-2.
constexpr u64 established_seconds = 7440, transitory_seconds = 240, datagram_seconds = 300, echo_seconds = 60;

constexpr usize ip_hops = 8, ip_checksum = 10, ip_source = 12, ip_destination = 16;
constexpr usize tcp_flags = 13, tcp_checksum = 16, udp_checksum = 6, icmp_checksum = 2, icmp_identifier = 4;

// Bytes that change under a checksum, in pairs that begin at an even place.
template<class Big> void exchange(std::span<u8> packet, usize at, Big after, usize field)
{
    Big const before = *read_header<Big>(packet, at);
    write_header(packet, at, after);
    write_header(packet, field, field_after(*read_header<Big16>(packet, field), sum_of(before), sum_of(after)));
}

// One end of a flow becomes another: its address, and its port, which counts in the transport's checksum as the address does.
// `at_address`: in the header; `is_source`: where the port is.
void translate(std::span<u8> packet, usize header_bytes, Protocol protocol, bool is_source, Ipv4Address address, u16 port)
{
    usize const at_address = is_source ? ip_source : ip_destination;
    Big32 const old_address = *read_header<Big32>(packet, at_address), new_address{address.value};
    exchange(packet, at_address, new_address, ip_checksum);
    if (protocol == Protocol::icmp)                   // no pseudo-header
        return exchange(packet, header_bytes + icmp_identifier, Big16{port}, header_bytes + icmp_checksum);
    usize const at_port = header_bytes + (is_source ? 0 : 2);
    usize const field = header_bytes + (protocol == Protocol::tcp ? tcp_checksum : udp_checksum);
    Big16 const old_port = *read_header<Big16>(packet, at_port), new_port{port};
    write_header(packet, at_port, new_port);
    Big16 const sum = *read_header<Big16>(packet, field);
    if (protocol == Protocol::udp && sum == 0)        // RFC 768: there is none
        return;
    Big16 changed = field_after(sum, plus(sum_of(old_address), sum_of(old_port)), plus(sum_of(new_address), sum_of(new_port)));
    if (protocol == Protocol::udp && changed == 0)
        changed = 0xffff;
    write_header(packet, field, changed);
}

// One hop less. False: none is left.
bool pass_on(std::span<u8> packet, u8 hops)
{
    if (hops <= 1)
        return false;
    Big16 const word = *read_header<Big16>(packet, ip_hops);
    exchange(packet, ip_hops, Big16{static_cast<u16>(word - 0x100)}, ip_checksum);
    return true;
}

} // namespace

void Nat::begin(u64 second, u32 owners, u32 secret)
{
    second_ = second;
    secret_ = secret;
    quota_ = most / (owners ? owners : 1);
    for (Index& bucket : buckets_)
        bucket = none;
    for (u32 i = 0; i < most; i++)
        entries_[i].next = i + 1 < most ? static_cast<Index>(i + 1) : none;
    first_free_ = 0;
    last_free_ = most - 1;
}

bool Nat::add(Forward const& forward)
{
    for (Forward const& other : std::span{forwards_, forward_count_})
        if (other.protocol == forward.protocol &&
            (other.port == forward.port || (other.network == forward.network && other.guest == forward.guest && other.guest_port == forward.guest_port)))
            return false;
    if (forward_count_ == most_forwards)
        return false;
    forwards_[forward_count_++] = forward;
    return true;
}

// ---- the table ----

u32 Nat::bucket_of(Key const& key) const
{
    u64 hash = (u64{key.guest.value} << 32 | key.peer.value) ^ secret_;
    hash = (hash ^ hash >> 29) * 0x9e37'79b9'7f4a'7c15ull;
    hash ^= static_cast<u64>(key.guest_port) << 32 | static_cast<u64>(key.peer_port) << 16 | static_cast<u64>(key.network) << 8 | static_cast<u64>(key.protocol);
    hash = (hash ^ hash >> 31) * 0xbf58'476d'1ce4'e5b9ull;
    return static_cast<u32>(hash >> 40) % most;
}

bool Nat::is_old(Entry const& entry, u64 now) const
{
    u64 seconds = datagram_seconds;
    if (entry.key.protocol == Protocol::icmp)
        seconds = echo_seconds;
    else if (entry.key.protocol == Protocol::tcp)
        seconds = entry.life == Life::established ? established_seconds : transitory_seconds;
    return now - entry.seen > seconds * second_;
}

Nat::Entry* Nat::find(Key const& key, u64 now)
{
    for (Index i = buckets_[bucket_of(key)]; i != none; i = entries_[i].next) {
        Entry& entry = entries_[i];
        if (entry.key != key)
            continue;
        if (!is_old(entry, now))
            return &entry;
        close(entry);
        return nullptr;
    }
    return nullptr;
}

Nat::Entry* Nat::at_port(u16 port, Protocol protocol, Ipv4Address peer, u16 peer_port, u64 now)
{
    if (port < first_port || port >= first_port + most * rounds)
        return nullptr;
    Entry& entry = entries_[(port - first_port) % most];
    if (entry.life == Life::free || entry.port != port || entry.key.protocol != protocol || entry.key.peer != peer || entry.key.peer_port != peer_port)
        return nullptr;
    if (!is_old(entry, now))
        return &entry;
    close(entry);
    return nullptr;
}

// As its owner's newest.
void Nat::link(Entry& entry)
{
    Share& share = shares_[entry.owner];
    Index const self = static_cast<Index>(&entry - entries_);
    entry.older = share.newest;
    entry.newer = none;
    (share.newest == none ? share.oldest : entries_[share.newest].newer) = self;
    share.newest = self;
}

void Nat::unlink(Entry& entry)
{
    Share& share = shares_[entry.owner];
    (entry.older == none ? share.oldest : entries_[entry.older].newer) = entry.newer;
    (entry.newer == none ? share.newest : entries_[entry.newer].older) = entry.older;
}

void Nat::close(Entry& entry)
{
    Index const self = static_cast<Index>(&entry - entries_);
    Index* link = &buckets_[bucket_of(entry.key)];
    while (*link != self)
        link = &entries_[*link].next;
    *link = entry.next;
    unlink(entry);
    shares_[entry.owner].count--;
    in_use_--;
    entry = {};
    (last_free_ == none ? first_free_ : entries_[last_free_].next) = self;
    last_free_ = self;
}

// There is always a free one: the shares together are no more than the table.
Nat::Entry* Nat::open(Key const& key, u32 owner, u16 random)
{
    Share& share = shares_[owner];
    if (share.count == quota_) {
        counters_.displaced++;
        close(entries_[share.oldest]);
    }
    Index const self = first_free_;
    Entry& entry = entries_[self];
    first_free_ = entry.next;
    if (first_free_ == none)
        last_free_ = none;
    entry = {.key = key, .port = static_cast<u16>(first_port + (random % rounds) * most + self), .life = Life::begun, .owner = static_cast<u8>(owner)};
    Index& bucket = buckets_[bucket_of(key)];
    entry.next = bucket;
    bucket = self;
    link(entry);
    share.count++;
    in_use_++;
    counters_.opened++;
    return &entry;
}

void Nat::touch(Entry& entry, Flow const& flow, bool from_guest, u64 now)
{
    entry.seen = now;
    unlink(entry);
    link(entry);
    if (entry.key.protocol != Protocol::tcp)
        return;
    if (flow.flags & (TcpHeader::reset | TcpHeader::fin))
        entry.life = Life::ending;
    else if (from_guest && (flow.flags & TcpHeader::syn))
        entry.life = Life::begun;
    else if (!from_guest && entry.life == Life::begun)
        entry.life = Life::established;
}

// ---- packets ----

NatDrop Nat::read(std::span<u8 const> packet, usize available, Flow& flow)
{
    auto const ip = read_ipv4(packet, available);
    if (!ip)
        return NatDrop::malformed;
    flow = {*ip, 0, 0, 0};
    if (ip->is_fragment)
        return NatDrop::fragment;
    usize const at = ip->header_bytes;
    auto const holds = [&](usize bytes) { return ip->payload_bytes() >= bytes && packet.size() >= at + bytes; };
    switch (static_cast<Protocol>(ip->protocol)) {
    case Protocol::tcp:
        if (!holds(sizeof(TcpHeader)))
            return NatDrop::malformed;
        flow.flags = packet[at + tcp_flags];
        break;
    case Protocol::udp:
        if (!holds(sizeof(UdpHeader)))
            return NatDrop::malformed;
        break;
    case Protocol::icmp:
        if (!holds(sizeof(IcmpHeader)))
            return NatDrop::malformed;
        flow.source = *read_header<Big16>(packet, at + icmp_identifier);
        return NatDrop::none;
    default:
        return NatDrop::protocol;
    }
    flow.source = *read_header<Big16>(packet, at);
    flow.destination = *read_header<Big16>(packet, at + 2);
    return NatDrop::none;
}

NatDrop Nat::outbound(std::span<u8> packet, usize available, Owner owner, Ipv4Address ours, u16 random, u64 now)
{
    Flow flow;
    if (NatDrop const why = read(packet, available, flow); why != NatDrop::none)
        return drop(why);
    auto const protocol = static_cast<Protocol>(flow.ip.protocol);
    if (protocol == Protocol::icmp && packet[flow.ip.header_bytes] != IcmpHeader::echo)
        return drop(NatDrop::protocol);
    if (!pass_on(packet, flow.ip.hops))
        return drop(NatDrop::hops);
    u16 port = 0;
    for (Forward const& forward : std::span{forwards_, forward_count_})
        if (forward.protocol == protocol && forward.guest == flow.ip.source && forward.guest_port == flow.source && forward.network == owner.network)
            port = forward.port;
    if (!port) {
        Key const key{flow.ip.source, flow.ip.destination, flow.source, flow.destination, static_cast<u8>(owner.network), protocol};
        Entry* entry = find(key, now);
        if (!entry)
            entry = open(key, owner.number, random);
        touch(*entry, flow, true, now);
        port = entry->port;
    }
    translate(packet, flow.ip.header_bytes, protocol, true, ours, port);
    counters_.out++;
    return NatDrop::none;
}

// A connection before a forward: it may have got a forward's port, but has one peer only.
std::optional<Nat::End> Nat::find_end(u16 port, Protocol protocol, Ipv4Address peer, u16 peer_port, u64 now, Entry*& entry)
{
    entry = at_port(port, protocol, peer, peer_port, now);
    if (entry)
        return End{{entry->key.network, entry->key.guest}, entry->key.guest_port};
    for (Forward const& forward : std::span{forwards_, forward_count_})
        if (forward.protocol == protocol && forward.port == port)
            return End{{forward.network, forward.guest}, forward.guest_port};
    return std::nullopt;
}

std::optional<Nat::Inside> Nat::inbound(std::span<u8> packet, usize available, u64 now, NatDrop& why)
{
    Flow flow;
    why = read(packet, available, flow);
    if (why != NatDrop::none) {
        drop(why);
        return std::nullopt;
    }
    auto const protocol = static_cast<Protocol>(flow.ip.protocol);
    why = NatDrop::unknown;
    if (protocol == Protocol::icmp) {
        u8 const type = packet[flow.ip.header_bytes];
        if (type == IcmpHeader::unreachable || type == IcmpHeader::time_exceeded || type == IcmpHeader::bad_parameter)
            return inbound_error(packet, flow.ip, now, why);
        if (type != IcmpHeader::echo_reply)
            return std::nullopt;
        flow.destination = flow.source;
        flow.source = 0;
    }
    Entry* entry = nullptr;
    auto const end = find_end(flow.destination, protocol, flow.ip.source, flow.source, now, entry);
    if (!end)
        return std::nullopt;
    if (!pass_on(packet, flow.ip.hops)) {
        why = drop(NatDrop::hops);
        return std::nullopt;
    }
    if (entry)
        touch(*entry, flow, false, now);
    translate(packet, flow.ip.header_bytes, protocol, false, end->inside.guest, end->port);
    counters_.in++;
    why = NatDrop::none;
    return end->inside;
}

// RFC 4787, "Hairpinning Behavior": the receiver sees our address and the sender's port there (REQ-9a), and the answer finds its entry by ours.
std::optional<Nat::Inside> Nat::turn_round(std::span<u8> packet, usize available, Owner owner, Ipv4Address ours, u16 random, u64 now, NatDrop& why)
{
    why = outbound(packet, available, owner, ours, random, now);
    if (why != NatDrop::none)
        return std::nullopt;
    auto const inside = inbound(packet, available, now, why);
    if (!inside || inside->network == owner.network)
        return inside;
    why = NatDrop::unknown;
    return std::nullopt;
}

// RFC 5508, "ICMP Error Packet Translation Behavior": it brings the head of a packet that we sent. The sum of that packet's header
// stays as it was, its checksum included, so under the error's checksum only the port has changed. The checksum of its transport is left
// as it is: most of what it covers is not there.
std::optional<Nat::Inside> Nat::inbound_error(std::span<u8> packet, Ipv4Packet const& ip, u64 now, NatDrop& why)
{
    usize const at_error = ip.header_bytes, at_inner = at_error + sizeof(IcmpHeader);
    if (packet.size() < at_inner + sizeof(Ipv4Header))
        return std::nullopt;
    auto const header = *read_header<Ipv4Header>(packet, at_inner);
    usize const inner_bytes = (header.version_length & 15u) * 4;
    usize const at_transport = at_inner + inner_bytes;
    auto const protocol = static_cast<Protocol>(header.protocol);
    constexpr usize ports_or_identifier = 8;          // RFC 792: the error brings at least these
    if (Ipv4Address{header.source} != ip.destination || header.version_length >> 4 != 4 || inner_bytes < sizeof(Ipv4Header) || packet.size() < at_transport + ports_or_identifier || (at_transport & 1) ||
        ip.total_bytes < at_transport + ports_or_identifier)
        return std::nullopt;
    bool const is_echo = protocol == Protocol::icmp && packet[at_transport] == IcmpHeader::echo;
    if (!is_echo && protocol != Protocol::tcp && protocol != Protocol::udp)
        return std::nullopt;
    usize const port_at = at_transport + (is_echo ? icmp_identifier : 0);
    u16 const port = *read_header<Big16>(packet, port_at);
    u16 const peer_port = is_echo ? u16{0} : static_cast<u16>(*read_header<Big16>(packet, at_transport + 2));
    Entry* entry = nullptr;
    auto const end = find_end(port, protocol, {header.destination}, peer_port, now, entry);
    if (!end)
        return std::nullopt;
    if (!pass_on(packet, ip.hops)) {
        why = drop(NatDrop::hops);
        return std::nullopt;
    }
    exchange(packet, port_at, Big16{end->port}, at_error + icmp_checksum);
    exchange(packet, at_inner + ip_source, Big32{end->inside.guest.value}, at_inner + ip_checksum);
    exchange(packet, ip_destination, Big32{end->inside.guest.value}, ip_checksum);
    counters_.in++;
    why = NatDrop::none;
    return end->inside;
}

} // namespace kennel::service::net
