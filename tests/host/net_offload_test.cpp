// SPDX-License-Identifier: Apache-2.0
#include "drivers/net/offload.hpp"
#include "tests/host/net_frames.hpp"
#include <doctest/doctest.h>

using namespace kennel;
using namespace kennel::service::net;
using namespace kennel::service::net::test;

namespace {

constexpr u32 a = 0x0a4e'0010, b = 0x0a4e'0011;

// As a guest sends it: the checksum field holds the pseudo-header's sum only.
Bytes large(usize payload, u8 flags)
{
    Bytes frame = ipv4(mac(2), mac(1), a, b, 6, tcp(1000, 22, 0xffff'ff00, flags, filled(payload)));
    set16(frame, 34 + 16, pseudo_sum(frame));
    return frame;
}
Offload tso(u16 segment) { return {true, 34, 16, Segmentation::tcp4, segment}; }

} // namespace

TEST_CASE("checksum: equals the word by word sum, whatever the length, the cuts and the place")
{
    Bytes const bytes = filled(200);
    for (usize size = 0; size < bytes.size(); size++) {
        Bytes const part(bytes.begin(), bytes.begin() + static_cast<long>(size));
        CHECK(static_cast<u16>(field_of(sum_of(std::span{part}))) == (~plain_sum(part, 0, size) & 0xffff));
        if (size > 40) {
            Held const held{part, {15, 16, 17, 20, 23, size - 3}};
            for (u32 from = 0; from < 20; from++)
                CHECK(static_cast<u16>(field_of(sum_of(held.frame, from, static_cast<u32>(size) - from))) == (~plain_sum(part, from, size) & 0xffff));
        }
    }
}

TEST_CASE("checksum: a changed word changes the field as if all were summed again")
{
    Bytes bytes = filled(40);
    set16(bytes, 10, 0);
    set16(bytes, 10, ~plain_sum(bytes, 0, 40) & 0xffff);
    Big16 const before = static_cast<u16>(get16(bytes, 10));
    Big32 const old_word = get32(bytes, 20), new_word = 0xc0a8'0001u;
    set16(bytes, 20, 0xc0a8);
    set16(bytes, 22, 1);
    set16(bytes, 10, field_after(before, sum_of(old_word), sum_of(new_word)));
    CHECK(plain_sum(bytes, 0, 40) == 0xffff);
}

TEST_CASE("headers: an IPv4 header is believed only when all of it is right")
{
    Bytes const good = ipv4(mac(2), mac(1), a, b, 17, udp(1, 2, filled(10)));
    auto const read = [](Bytes const& bytes) { return read_ipv4(std::span{bytes}.subspan(14), bytes.size() - 14); };
    auto const packet = read(good);
    REQUIRE(packet);
    CHECK(packet->source.value == a);
    CHECK(packet->payload_bytes() == 18);
    CHECK(packet->header_bytes == 20);
    CHECK_FALSE(packet->is_fragment);
    for (usize at = 14; at < 34; at++) {
        Bytes bad = good;
        bad[at] ^= 0x11;
        CHECK_FALSE(read(bad));
    }
    for (usize size = 14; size < good.size(); size++)
        CHECK_FALSE(read(Bytes(good.begin(), good.begin() + static_cast<long>(size))));
    auto const fragment = read(ipv4(mac(2), mac(1), a, b, 17, udp(1, 2, filled(10)), 0x2000));
    REQUIRE(fragment);
    CHECK(fragment->is_fragment);
    CHECK(fragment->is_first);
}

TEST_CASE("offload: a frame both ends can handle crosses once and untouched")
{
    Held const held{large(60'000, 0x18), {34, 5000, 5001}, 14, tso(1448)};
    int sent = 0;
    Delivery const delivery = suit(held.frame, {.checksum = true, .tcp4 = true}, [&](Frame const& frame) {
        sent++;
        CHECK(&frame == &held.frame);
        return Delivery::taken;
    });
    CHECK(delivery == Delivery::taken);
    CHECK(sent == 1);
}

TEST_CASE("offload: a receiver that cannot segment gets whole segments with right checksums")
{
    usize const payload = 10'001;
    Bytes const whole = large(payload, TcpHeader::push | TcpHeader::fin | TcpHeader::acknowledge | TcpHeader::congestion_reduced);
    Held const held{whole, {20, 55, 56, 1000, 1003, 9000}, 14, tso(1448)};
    Bytes joined;
    u32 count = 0;
    Delivery const delivery = suit(held.frame, {}, [&](Frame const& frame) {
        Bytes const segment = bytes_of(frame);
        CHECK(segment.size() == frame.size);
        CHECK(frame.offload.needs_checksum == false);
        CHECK(plain_sum(segment, 14, 34) == 0xffff);
        CHECK(transport_sum(segment) == 0xffff);
        CHECK(get16(segment, 16) == segment.size() - 14);
        CHECK(get16(segment, 18) == 0x1234 + count);
        CHECK(get32(segment, 38) == static_cast<u32>(0xffff'ff00 + joined.size()));
        bool const is_last = joined.size() + segment.size() - 54 == payload;
        u8 const flags = segment[47];
        CHECK(((flags & (TcpHeader::push | TcpHeader::fin)) != 0) == is_last);
        CHECK(((flags & TcpHeader::congestion_reduced) != 0) == (count == 0));
        joined.insert(joined.end(), segment.begin() + 54, segment.end());
        count++;
        return Delivery::taken;
    });
    CHECK(delivery == Delivery::taken);
    CHECK(count == 7);
    CHECK(joined == filled(payload));
}

TEST_CASE("offload: IPv6 segments too")
{
    Bytes frame = ethernet(mac(2), mac(1), 0x86dd);
    Bytes const packet = tcp(1, 2, 7, TcpHeader::acknowledge, filled(3000));
    put32(frame, 0x6000'0000);
    put16(frame, static_cast<u32>(packet.size()));
    frame.push_back(6);
    frame.push_back(64);
    for (u8 i = 0; i < 32; i++)
        frame.push_back(static_cast<u8>(i * 3));
    frame.insert(frame.end(), packet.begin(), packet.end());
    Held const held{frame, {60}, 14, {true, 54, 16, Segmentation::tcp6, 1000}};
    usize count = 0;
    CHECK(suit(held.frame, {}, [&](Frame const& segment) {
        Bytes const bytes = bytes_of(segment);
        u32 const transport = static_cast<u32>(bytes.size()) - 54;
        CHECK(get16(bytes, 18) == transport);
        CHECK(plain_sum(bytes, 54, bytes.size(), plain_sum(bytes, 22, 54, 6 + transport)) == 0xffff);
        count++;
        return Delivery::taken;
    }) == Delivery::taken);
    CHECK(count == 3);
}

TEST_CASE("offload: a checksum left open is completed where the receiver needs that")
{
    Bytes frame = ipv4(mac(2), mac(1), a, b, 17, udp(53, 99, filled(101)));
    set16(frame, 40, pseudo_sum(frame));
    for (usize head : {14u, 34u, 42u}) {
        Held const held{frame, {38, 41, 43, 100}, head, {true, 34, 6, Segmentation::none, 0}};
        bool sent = false;
        CHECK(suit(held.frame, {}, [&](Frame const& done) {
            CHECK(transport_sum(bytes_of(done)) == 0xffff);
            CHECK(bytes_of(done).size() == frame.size());
            sent = true;
            return Delivery::taken;
        }) == Delivery::taken);
        CHECK(sent);
    }
}

TEST_CASE("offload: what makes no sense is refused, and never sent")
{
    auto const never = [](Frame const&) {
        CHECK(false);
        return Delivery::taken;
    };
    Bytes const frame = large(5000, 0x10);
    auto const refused = [&](Bytes const& bytes, Offload const& offload) { return suit(Held{bytes, {60}, 14, offload}.frame, {}, never) == Delivery::bad_offload; };
    CHECK(refused(frame, {false, 34, 16, Segmentation::tcp4, 1448}));
    CHECK(refused(frame, {true, 35, 16, Segmentation::tcp4, 1448}));
    CHECK(refused(frame, {true, 34, 6, Segmentation::tcp4, 1448}));
    CHECK(refused(frame, {true, 34, 16, Segmentation::tcp6, 1448}));
    CHECK(refused(frame, {true, 34, 16, Segmentation::tcp4, 0}));
    CHECK(refused(frame, {true, 34, 16, Segmentation::tcp4, 1}));            // thousands of segments
    Bytes other = frame;
    other[23] = 17;                                                          // not TCP
    CHECK(refused(other, tso(1448)));
    other = frame;
    other[46] = 0x40;                                                        // a TCP header of 16 bytes
    CHECK(refused(other, tso(1448)));
    other = frame;
    other[14] = 0x44;                                                        // an IPv4 header of 16 bytes
    CHECK(refused(other, tso(1448)));
    CHECK(refused(Bytes(frame.begin(), frame.begin() + 40), tso(1448)));     // ends inside a header
    Bytes const small = ipv4(mac(2), mac(1), a, b, 17, udp(1, 2, filled(20)));
    CHECK(refused(small, {true, 2, 6, Segmentation::none, 0}));
    CHECK(refused(small, {true, 60, 6, Segmentation::none, 0}));
    CHECK(refused(small, {true, 65535, 65535, Segmentation::none, 0}));
    CHECK(suit(Held{filled(1515)}.frame, {}, never) == Delivery::oversized);
    CHECK(suit(Held{large(5000, 0), {60}, 14, tso(3000)}.frame, {}, never) == Delivery::oversized);
}
