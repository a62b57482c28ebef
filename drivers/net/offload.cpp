// SPDX-License-Identifier: Apache-2.0
//
// See offload.hpp.
#include "drivers/net/offload.hpp"
#include <algorithm>

namespace kennel::service::net {

namespace {

constexpr u32 tag_bytes = 4;                          // IEEE 802.1Q: behind the source address
constexpr u32 tcp_checksum_offset = 16;

constexpr Sum sum_of_word(u16 word) { return sum_of(Big16{word}); }

} // namespace

bool check_offload(Frame& frame)
{
    Offload& offload = frame.offload;
    if (offload.segmentation != Segmentation::none) {
        Segmenter segmenter;
        if (!segmenter.open(frame))
            return false;
        offload.header_bytes = static_cast<u16>(segmenter.header_bytes());
        return true;
    }
    u32 const field = u32{offload.checksum_start} + offload.checksum_offset;
    return !offload.needs_checksum || (offload.checksum_start >= sizeof(EthernetHeader) && field + sizeof(Big16) <= frame.size);
}

bool Segmenter::open(Frame const& frame)
{
    frame_ = &frame;
    Offload const& offload = frame.offload;
    // virtio 1.2, "Packet Transmission": a packet to be segmented needs its checksum completed as well.
    if (!offload.needs_checksum || offload.checksum_offset != tcp_checksum_offset || offload.segment_bytes == 0)
        return false;
    u32 const copied = FrameReader{frame}.copy(headers_);
    std::span<u8 const> const bytes{headers_, copied};

    auto const ethernet = read_header<EthernetHeader>(bytes);
    if (!ethernet)
        return false;
    u16 type = ethernet->type;
    network_ = sizeof(EthernetHeader);
    if (type == static_cast<u16>(EtherType::vlan)) {
        auto const inner = read_header<Big16>(bytes, network_ + 2);
        if (!inner)
            return false;
        type = *inner;
        network_ += tag_bytes;
    }
    if (offload.segmentation == Segmentation::tcp4) {
        auto const header = read_header<Ipv4Header>(bytes, network_);
        u32 const header_bytes = header ? (header->version_length & 15u) * 4 : 0;
        if (type != static_cast<u16>(EtherType::ipv4) || header_bytes < sizeof(Ipv4Header) || header->version_length >> 4 != 4 ||
            header->protocol != static_cast<u8>(Protocol::tcp) || (header->fragment & 0x3fff))
            return false;
        transport_ = network_ + header_bytes;
        pseudo_ = plus(plus(sum_of(header->source), sum_of(header->destination)), sum_of_word(header->protocol));
    } else {
        auto const header = read_header<Ipv6Header>(bytes, network_);
        if (!header || type != static_cast<u16>(EtherType::ipv6) || header->version_flow >> 28 != 6 || header->next != static_cast<u8>(Protocol::tcp))
            return false;
        transport_ = network_ + static_cast<u32>(sizeof(Ipv6Header));
        pseudo_ = plus(plus(sum_of({header->source, 16}), sum_of({header->destination, 16})), sum_of_word(header->next));
    }
    auto const tcp = read_header<TcpHeader>(bytes, transport_);
    u32 const tcp_bytes = tcp ? (tcp->offset >> 4) * 4u : 0;
    header_bytes_ = transport_ + tcp_bytes;
    if (tcp_bytes < sizeof(TcpHeader) || header_bytes_ > copied || offload.checksum_start != transport_)
        return false;
    u32 const payload = frame.size - header_bytes_;
    if ((payload + offload.segment_bytes - 1) / offload.segment_bytes > max_segments)
        return false;

    // Where the payload begins in what was not copied.
    u32 ahead = header_bytes_;
    rest_ = frame.rest;
    skip_ = frame.skip;
    if (ahead < frame.head.size())
        return false;                                 // a head that reaches into the payload: none of ours does
    ahead -= static_cast<u32>(frame.head.size());
    while (!rest_.empty() && ahead >= rest_.front().size - skip_) {
        ahead -= rest_.front().size - skip_;
        rest_ = rest_.subspan(1);
        skip_ = 0;
    }
    skip_ += ahead;
    done_ = index_ = 0;
    return true;
}

bool Segmenter::next(Frame& segment)
{
    u32 const payload = frame_->size - header_bytes_;
    if (index_ && done_ >= payload)
        return false;
    u32 const size = std::min<u32>(frame_->offload.segment_bytes, payload - done_);
    bool const is_last = done_ + size >= payload;
    std::span<u8> const head{head_, header_bytes_};
    std::copy_n(headers_, header_bytes_, head_);

    u32 const transport_bytes = header_bytes_ - transport_ + size;
    if (frame_->offload.segmentation == Segmentation::tcp4) {
        auto header = *read_header<Ipv4Header>(head, network_);
        header.total = static_cast<u16>(header_bytes_ - network_ + size);
        header.identification = static_cast<u16>(header.identification + index_);
        header.checksum = 0;
        write_header(head, network_, header);
        header.checksum = field_of(sum_of(head.subspan(network_, transport_ - network_)));
        write_header(head, network_, header);
    } else {
        auto header = *read_header<Ipv6Header>(head, network_);
        header.payload = static_cast<u16>(transport_bytes);
        write_header(head, network_, header);
    }
    auto tcp = *read_header<TcpHeader>(head, transport_);
    tcp.sequence = static_cast<u32>(tcp.sequence + done_);
    if (!is_last)
        tcp.flags &= static_cast<u8>(~(TcpHeader::fin | TcpHeader::push));
    if (index_)
        tcp.flags &= static_cast<u8>(~TcpHeader::congestion_reduced);   // RFC 3168, "TCP Header Flags": once is enough
    tcp.checksum = 0;
    write_header(head, transport_, tcp);

    segment = {.head = head, .rest = rest_, .skip = skip_, .size = header_bytes_ + size, .offload = {}};
    Sum const sum = plus(plus(pseudo_, sum_of_word(static_cast<u16>(transport_bytes))), sum_of(segment, transport_, transport_bytes));
    tcp.checksum = field_of(sum);
    write_header(head, transport_, tcp);

    done_ += size;
    index_++;
    for (u32 ahead = size; ahead;) {
        if (rest_.empty())
            break;
        u32 const here = rest_.front().size - skip_;
        if (ahead < here) {
            skip_ += ahead;
            break;
        }
        ahead -= here;
        rest_ = rest_.subspan(1);
        skip_ = 0;
    }
    return true;
}

bool complete_checksum(Frame const& frame, std::span<u8, max_headers> space, Frame& completed)
{
    u32 const start = frame.offload.checksum_start, field = start + frame.offload.checksum_offset;
    if (start < sizeof(EthernetHeader) || field + sizeof(Big16) > frame.size || field + sizeof(Big16) > space.size())
        return false;
    u32 const head_bytes = std::max(field + static_cast<u32>(sizeof(Big16)), static_cast<u32>(frame.head.size()));
    if (head_bytes > space.size())
        return false;
    completed = with_head(frame, space.first(head_bytes));
    completed.offload = {};
    // The field holds the pseudo-header's sum already. Ones' complement has two zeros; RFC 768 keeps one for "none".
    Big16 sum = field_of(sum_of(completed, start, frame.size - start));
    if (sum == 0)
        sum = 0xffff;
    write_header<Big16>(space, field, sum);
    return true;
}

} // namespace kennel::service::net
