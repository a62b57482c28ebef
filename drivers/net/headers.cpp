// SPDX-License-Identifier: Apache-2.0
//
// See headers.hpp.
#include "drivers/net/headers.hpp"
#include "drivers/net/checksum.hpp"

namespace kennel::service::net {

std::optional<Ipv4Packet> read_ipv4(std::span<u8 const> bytes, usize available)
{
    auto const header = read_header<Ipv4Header>(bytes);
    if (!header || header->version_length >> 4 != 4)
        return std::nullopt;
    u16 const header_bytes = static_cast<u16>((header->version_length & 15) * 4);
    u16 const total = header->total;
    if (header_bytes < sizeof(Ipv4Header) || header_bytes > bytes.size() || total < header_bytes || total > available)
        return std::nullopt;
    if (folded(sum_of(bytes.first(header_bytes))) != 0xffff)
        return std::nullopt;
    constexpr u16 more_fragments = 0x2000, offset_bits = 0x1fff;
    u16 const fragment = header->fragment;
    return Ipv4Packet{
        .source = {header->source},
        .destination = {header->destination},
        .protocol = header->protocol,
        .hops = header->hops,
        .header_bytes = header_bytes,
        .total_bytes = total,
        .is_fragment = (fragment & (more_fragments | offset_bits)) != 0,
        .is_first = (fragment & offset_bits) == 0,
    };
}

} // namespace kennel::service::net
