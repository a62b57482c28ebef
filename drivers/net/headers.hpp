// SPDX-License-Identifier: Apache-2.0
//
// The headers of a frame as they lie on the wire, and the readers that turn the first bytes of a frame into checked values.
// The bytes are a copy of ours; the lengths in them are what a stranger wrote, so each is checked against what is there.
#pragma once
#include "drivers/net/address.hpp"
#include <cstring>
#include <optional>
#include <span>

namespace kennel::service::net {

enum class EtherType : u16 { ipv4 = 0x0800, arp = 0x0806, vlan = 0x8100, ipv6 = 0x86dd };
enum class Protocol : u8 { icmp = 1, tcp = 6, udp = 17 };

// IEEE 802.3, "MAC frame format". The check sequence is the wire's own; nobody here sees it.
struct EthernetHeader {
    MacAddress destination, source;
    Big16      type;
};
static_assert(sizeof(EthernetHeader) == 14);

// RFC 791, "Internet Header Format".
struct Ipv4Header {
    u8    version_length, service;
    Big16 total, identification, fragment;
    u8    hops, protocol;
    Big16 checksum;
    Big32 source, destination;
};
static_assert(sizeof(Ipv4Header) == 20);

// RFC 8200, "IPv6 Header Format".
struct Ipv6Header {
    Big32 version_flow;
    Big16 payload;
    u8    next, hops;
    u8    source[16], destination[16];
};
static_assert(sizeof(Ipv6Header) == 40);

// RFC 9293, "Header Format".
struct TcpHeader {
    Big16 source, destination;
    Big32 sequence, acknowledgement;
    u8    offset;                                     // header length in words, upper half
    u8    flags;
    Big16 window, checksum, urgent;

    static constexpr u8 fin = 1, syn = 2, reset = 4, push = 8, acknowledge = 16, congestion_reduced = 128;
};
static_assert(sizeof(TcpHeader) == 20);

// RFC 768.
struct UdpHeader { Big16 source, destination, length, checksum; };
static_assert(sizeof(UdpHeader) == 8);

// RFC 792: echo has identifier and sequence, errors bring the header that caused them.
struct IcmpHeader {
    u8    type, code;
    Big16 checksum, identifier, sequence;

    static constexpr u8 echo_reply = 0, unreachable = 3, echo = 8, time_exceeded = 11, bad_parameter = 12;
};
static_assert(sizeof(IcmpHeader) == 8);

// Copies a header out of `bytes`; nothing when they are too few.
template<class Header> std::optional<Header> read_header(std::span<u8 const> bytes, usize at = 0)
{
    if (at > bytes.size() || sizeof(Header) > bytes.size() - at)
        return std::nullopt;
    Header header;
    std::memcpy(&header, bytes.data() + at, sizeof header);
    return header;
}

template<class Header> void write_header(std::span<u8> bytes, usize at, Header const& header)   // there is room
{
    std::memcpy(bytes.data() + at, &header, sizeof header);
}

// An IPv4 packet whose header is sound: version, lengths and checksum.
struct Ipv4Packet {
    Ipv4Address source, destination;
    u8          protocol;
    u8          hops;
    u16         header_bytes;                         // 20 to 60
    u16         total_bytes;                          // header and payload; at most what `available` allowed
    bool        is_fragment;                          // not the whole packet
    bool        is_first;                             // its payload begins with the next header

    u16 payload_bytes() const { return static_cast<u16>(total_bytes - header_bytes); }
};

// `bytes`: from the IPv4 header on, as much as was copied (the whole header at least); `available`: bytes the frame has from there.
std::optional<Ipv4Packet> read_ipv4(std::span<u8 const> bytes, usize available);

} // namespace kennel::service::net
