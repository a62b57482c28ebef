// SPDX-License-Identifier: Apache-2.0
//
// See net.hpp.
#include "drivers/virtio/net.hpp"
#include "drivers/instructions.hpp"
#include "drivers/net/network.hpp"

namespace kennel::service {

using net::Delivery;
using net::Drop;
using net::Frame;
using net::Segmentation;

namespace {

// "Feature bits".
namespace feature {
constexpr u64 checksum = 1ull << 0, guest_checksum = 1ull << 1, mtu = 1ull << 3, mac = 1ull << 5, guest_tso4 = 1ull << 7, guest_tso6 = 1ull << 8;
constexpr u64 host_tso4 = 1ull << 11, host_tso6 = 1ull << 12, mergeable = 1ull << 15, status = 1ull << 16;
constexpr u64 all = checksum | guest_checksum | mtu | mac | guest_tso4 | guest_tso6 | host_tso4 | host_tso6 | mergeable | status;
}

// "Device configuration layout": struct virtio_net_config.
struct Configuration { net::MacAddress address; u16 status, pairs, mtu; };
static_assert(sizeof(Configuration) == 12);
constexpr u16 link_up = 1;

// "Device Operation": struct virtio_net_hdr. The number of buffers is there whatever was negotiated: we offer VERSION_1 only.
struct Header {
    u8  flags, segmentation;
    u16 header_bytes, segment_bytes, checksum_start, checksum_offset, buffers;
};
static_assert(sizeof(Header) == 12);
constexpr u8 needs_checksum = 1, tcp4 = 1, tcp6 = 4;

// The header of a received frame in its first buffer, nearly always in one piece. How many buffers it takes is known last.
class HeaderPlace {
public:
    explicit HeaderPlace(Header const& header) : header_{header} {}

    bool is_whole() const { return done_ == sizeof header_; }
    // As much of it as is left and finds room in the front of the piece, which becomes that much shorter. -> how much
    u32  put(Segment& piece)
    {
        if (done_ == 0 && piece.size >= sizeof header_) [[likely]] {
            __builtin_memcpy(piece.data, &header_, sizeof header_);
            buffers_[0] = piece.data + offsetof(Header, buffers);
            buffers_[1] = buffers_[0] + 1;
            return pass(piece, sizeof header_);
        }
        return is_whole() ? 0 : put_bytes(piece);
    }
    void set_buffers(u16 count)
    {
        *buffers_[0] = static_cast<u8>(count);
        *buffers_[1] = static_cast<u8>(count >> 8);
    }

private:
    u32  pass(Segment& piece, u32 bytes)
    {
        piece.data += bytes;
        piece.size -= bytes;
        done_ += bytes;
        return bytes;
    }
    [[gnu::noinline]] u32 put_bytes(Segment& piece)
    {
        u32 put = 0;
        for (; !is_whole() && piece.size; put += pass(piece, 1)) {
            if (done_ >= offsetof(Header, buffers))
                buffers_[done_ - offsetof(Header, buffers)] = piece.data;
            *piece.data = reinterpret_cast<u8 const*>(&header_)[done_];
        }
        return put;
    }

    Header header_;
    u32    done_ = 0;                                 // bytes
    u8*    buffers_[2] = {};
};

constexpr u32 link_overhead = 14 + 4;                 // Ethernet header and a tag

// Nothing: a kind of segmentation that was not offered.
std::optional<net::Offload> offload_of(Header const& header)
{
    net::Offload offload;
    offload.needs_checksum = header.flags & needs_checksum;
    offload.checksum_start = header.checksum_start;
    offload.checksum_offset = header.checksum_offset;
    offload.segment_bytes = header.segment_bytes;
    switch (header.segmentation) {
    case 0:    break;
    case tcp4: offload.segmentation = Segmentation::tcp4; break;
    case tcp6: offload.segmentation = Segmentation::tcp6; break;
    default:   return std::nullopt;
    }
    return offload;
}

Header header_of(net::Offload const& offload)
{
    Header header{};
    if (offload.needs_checksum) {
        header.flags = needs_checksum;
        header.checksum_start = offload.checksum_start;
        header.checksum_offset = offload.checksum_offset;
    }
    if (offload.segmentation != Segmentation::none) {
        header.segmentation = offload.segmentation == Segmentation::tcp4 ? tcp4 : tcp6;
        header.header_bytes = offload.header_bytes;
        header.segment_bytes = offload.segment_bytes;
    }
    return header;
}

} // namespace

VirtioNet::VirtioNet(net::MacAddress address, u16 mtu, Patience patience)
    : transport{{.type = wire::DeviceType::network, .class_code = 0x02'00'00, .features = feature::all, .queue_count = 2, .queue_size = Queue::most, .writable_config = 0}},
      address_{address}, mtu_{mtu}, patience_{patience}
{
}

net::PortCounters const& VirtioNet::counters() const { return network_->counters(port_); }

void VirtioNet::power_on()
{
    Configuration const configuration{address_, static_cast<u16>(link_ ? link_up : 0), 1, mtu_};
    __builtin_memcpy(transport.config, &configuration, sizeof configuration);
}

void VirtioNet::set_link(bool up)
{
    if (up == link_)
        return;
    link_ = up;
    power_on();
    transport.config_changed();
    if (transport.is_running() && transport.has(feature::status))
        transport.interrupt_configuration();
}

void VirtioNet::changed(Transport::Change change)
{
    if (change == Transport::Change::reset) {
        left_over_ = false;
        tell_at_ = ~0ull;
        transport.finish_reset();                     // nothing is ever in flight here
    } else if (change == Transport::Change::started) {
        accepts_ = {.checksum = transport.has(feature::guest_checksum), .tcp4 = transport.has(feature::guest_tso4), .tcp6 = transport.has(feature::guest_tso6),
                    .largest = mtu_ + link_overhead};
        mergeable_ = transport.has(feature::mergeable);
    }
}

void VirtioNet::kicked(u32 queue)
{
    if (queue == transmit_queue)                      // new buffers to receive into are found when a frame comes
        send();
}

void VirtioNet::send()
{
    Queue& queue = transport.queue(transmit_queue);
    left_over_ = false;
    if (!transport.is_running() || !network_)
        return;
    u64 const begin = time_stamp();
    u64 moved = 0;
    bool has_time = true;
    do {
        while (has_time && moved < most_bytes) {
            Queue::Taken const taken = queue.take(sent_);
            if (taken == Queue::Taken::none)
                break;
            if (taken == Queue::Taken::broken) [[unlikely]] {
                network_->counters(port_).dropped(Drop::bad_header);
                return transport.break_down();
            }
            moved += frame_worth + send(sent_);
            queue.give_back(sent_.head, 0);
            has_time = time_stamp() - begin < patience_.kick;
        }
        tell(begin);
        if (!has_time || moved >= most_bytes) [[unlikely]] {
            has_changed_ |= left_over_ = queue.expect_kick();
            return;
        }
    } while (queue.expect_kick());
}

// A quarter of the ring may wait: Linux asks to be interrupted for the last quarter of what is on its way.
void VirtioNet::tell(u64 now)
{
    Queue& queue = transport.queue(transmit_queue);
    u16 const before = queue.held();
    bool is_wanted = queue.publish_quietly();
    if (queue.held() > queue.setup.size / 4)
        is_wanted |= queue.publish();
    if (is_wanted)
        interrupt(transmit_queue);
    if (queue.held() == 0)
        tell_at_ = ~0ull;
    else if (bool const is_first = tell_at_ == ~0ull; is_first || queue.held() != before) {   // or the driver goes on
        has_changed_ |= is_first;
        tell_at_ = now + patience_.interrupt;
    }
}

void VirtioNet::go_on(u64 now)
{
    if (left_over_)
        send();
    if (tell_at_ <= now) {
        tell_at_ = ~0ull;
        if (transport.queue(transmit_queue).publish())
            interrupt(transmit_queue);
    }
}

u64 VirtioNet::send(Chain& chain)
{
    auto input = chain.input();
    u64 const bytes = total_bytes(input);
    auto const drop = [&](Drop why) {
        network_->counters(port_).dropped(why);
        return bytes;
    };
    Header header;
    net::EthernetHeader ethernet;
    if (chain.outside || !take_front(input, header))
        return drop(Drop::bad_header);
    u64 const size = total_bytes(input);
    if (size < sizeof ethernet)
        return drop(Drop::runt);
    if (size > net::max_frame || (header.segmentation == 0 && size > mtu_ + link_overhead))
        return drop(Drop::oversized);
    take_front(input, ethernet);
    auto const offload = offload_of(header);
    Frame frame{.head = {reinterpret_cast<u8 const*>(&ethernet), sizeof ethernet}, .rest = input, .skip = 0, .size = static_cast<u32>(size), .offload = {}};
    if (offload)
        frame.offload = *offload;
    if (!offload || !net::check_offload(frame))
        return drop(Drop::bad_offload);
    network_->forward(port_, frame);
    return bytes;
}

Delivery VirtioNet::receive(Frame const& frame)
{
    if (!transport.is_running() || !link_)
        return Delivery::down;
    return net::suit(frame, accepts_, [this](Frame const& suited) { return place(suited); });
}

// "Processing of Incoming Packets". Buffers are filled one by one and all given back together; when they do not suffice, none was.
Delivery VirtioNet::place(Frame const& frame)
{
    Queue& queue = transport.queue(receive_queue);
    net::FrameReader reader{frame};
    HeaderPlace header{header_of(frame.offload)};
    u16 used = 0;
    do {
        Queue::Taken const taken = queue.take(received_);
        if (taken == Queue::Taken::none) {
            queue.undo(used);
            return Delivery::full;
        }
        if (taken == Queue::Taken::broken || received_.outside) [[unlikely]] {
            transport.break_down();
            return Delivery::down;
        }
        u32 written = 0;
        for (Segment piece : received_.output()) {
            written += header.put(piece);
            while (piece.size) {
                auto const part = reader.next(piece.size);
                if (part.empty())
                    break;
                copy_bytes(piece.data, part.data(), part.size());
                piece.data += part.size();
                piece.size -= static_cast<u32>(part.size());
                written += static_cast<u32>(part.size());
            }
        }
        queue.give_back(received_.head, written);
        used++;
        if (!header.is_whole() || (reader.left() && !mergeable_) || written == 0) {
            queue.undo(used);                         // its buffers are too small for this frame
            return Delivery::oversized;
        }
    } while (reader.left());
    header.set_buffers(used);
    if (queue.publish())
        interrupt(receive_queue);
    return Delivery::taken;
}

} // namespace kennel::service
