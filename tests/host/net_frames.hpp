// SPDX-License-Identifier: Apache-2.0
//
// Frames for the tests of drivers/net: built byte by byte, apart from the code under test, and checked by plain loops.
#pragma once
#include "drivers/net/frame.hpp"
#include <string>
#include <vector>

namespace kennel::service::net::test {

using Bytes = std::vector<u8>;

inline MacAddress mac(u8 last) { return {{0x52, 0x54, 0, 0, 0, last}}; }

// A frame in one or several pieces; the head is what the service would have copied.
struct Held {
    Bytes bytes;
    std::vector<Piece> pieces;
    Frame frame;

    Held(Bytes all, std::vector<usize> cuts = {}, usize head = 14, Offload offload = {}) : bytes{std::move(all)}
    {
        usize at = head;
        for (usize const cut : cuts)
            if (cut > at && cut < bytes.size()) {
                pieces.push_back({bytes.data() + at, static_cast<u32>(cut - at)});
                at = cut;
            }
        if (at < bytes.size())
            pieces.push_back({bytes.data() + at, static_cast<u32>(bytes.size() - at)});
        frame = {.head = std::span{bytes}.first(head), .rest = pieces, .skip = 0, .size = static_cast<u32>(bytes.size()), .offload = offload};
    }
    Held(Held const&) = delete;
};

inline Bytes bytes_of(Frame const& frame)
{
    Bytes all(frame.size);
    FrameReader reader{frame};
    u32 done = 0;
    while (done < all.size()) {
        auto const part = reader.next(static_cast<u32>(all.size()) - done);
        if (part.empty())
            break;
        std::copy(part.begin(), part.end(), all.begin() + done);
        done += static_cast<u32>(part.size());
    }
    all.resize(done);
    return all;
}

inline void put16(Bytes& to, u32 value)
{
    to.push_back(static_cast<u8>(value >> 8));
    to.push_back(static_cast<u8>(value));
}
inline void put32(Bytes& to, u32 value)
{
    put16(to, value >> 16);
    put16(to, value & 0xffff);
}
inline u32 get16(Bytes const& from, usize at) { return static_cast<u32>(from.at(at) << 8 | from.at(at + 1)); }
inline u32 get32(Bytes const& from, usize at) { return get16(from, at) << 16 | get16(from, at + 2); }

// The ones' complement sum, word by word as RFC 1071 says it first.
inline u32 plain_sum(Bytes const& bytes, usize from, usize to, u32 sum = 0)
{
    for (usize at = from; at < to; at += 2) {
        sum += static_cast<u32>(bytes[at] << 8) | (at + 1 < to ? bytes[at + 1] : 0u);
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum;
}

inline void set16(Bytes& bytes, usize at, u32 value)
{
    bytes.at(at) = static_cast<u8>(value >> 8);
    bytes.at(at + 1) = static_cast<u8>(value);
}

inline Bytes ethernet(MacAddress to, MacAddress from, u32 type)
{
    Bytes bytes(to.bytes, to.bytes + 6);
    bytes.insert(bytes.end(), from.bytes, from.bytes + 6);
    put16(bytes, type);
    return bytes;
}

// An IPv4 packet behind an Ethernet header; `payload` begins with the header of `protocol`.
inline Bytes ipv4(MacAddress to, MacAddress from, u32 source, u32 destination, u8 protocol, Bytes const& payload, u32 fragment = 0, u8 hops = 64)
{
    Bytes bytes = ethernet(to, from, 0x0800);
    bytes.push_back(0x45);
    bytes.push_back(0);
    put16(bytes, static_cast<u32>(20 + payload.size()));
    put16(bytes, 0x1234);
    put16(bytes, fragment);
    bytes.push_back(hops);
    bytes.push_back(protocol);
    put16(bytes, 0);
    put32(bytes, source);
    put32(bytes, destination);
    set16(bytes, 24, ~plain_sum(bytes, 14, 34) & 0xffff);
    bytes.insert(bytes.end(), payload.begin(), payload.end());
    return bytes;
}

inline u32 pseudo_sum(Bytes const& frame)
{
    u32 const transport = static_cast<u32>(frame.size()) - 34;
    return plain_sum(frame, 26, 34, frame[23] + transport);
}
// 0xffff when the checksum of the UDP or TCP packet is right.
inline u32 transport_sum(Bytes const& frame) { return plain_sum(frame, 34, frame.size(), pseudo_sum(frame)); }

inline Bytes filled(usize size)
{
    Bytes bytes(size);
    for (usize i = 0; i < size; i++)
        bytes[i] = static_cast<u8>(i * 7 + i / 251);
    return bytes;
}

inline Bytes tcp(u32 source, u32 destination, u32 sequence, u8 flags, Bytes const& payload)
{
    Bytes bytes;
    put16(bytes, source);
    put16(bytes, destination);
    put32(bytes, sequence);
    put32(bytes, 99);
    bytes.push_back(0x50);
    bytes.push_back(flags);
    put16(bytes, 4096);
    put32(bytes, 0);
    bytes.insert(bytes.end(), payload.begin(), payload.end());
    return bytes;
}
inline Bytes udp(u32 source, u32 destination, Bytes const& payload)
{
    Bytes bytes;
    put16(bytes, source);
    put16(bytes, destination);
    put16(bytes, static_cast<u32>(8 + payload.size()));
    put16(bytes, 0);
    bytes.insert(bytes.end(), payload.begin(), payload.end());
    return bytes;
}
// With the transport's checksum put right; `field` from the frame's begin.
inline Bytes summed(Bytes frame, usize field)
{
    set16(frame, field, 0);
    set16(frame, field, ~transport_sum(frame) & 0xffff);
    return frame;
}

} // namespace kennel::service::net::test
