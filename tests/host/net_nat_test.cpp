// SPDX-License-Identifier: Apache-2.0
#include "drivers/net/nat.hpp"
#include "hv/abi/manifest.hpp"
#include "tests/host/net_frames.hpp"
#include <doctest/doctest.h>
#include <memory>

using namespace kennel;
using namespace kennel::service::net;
using namespace kennel::service::net::test;

namespace {

constexpr u64 second = 1000;
constexpr u32 guest = 0x0a4e'0010, other = 0x0a4e'0011, ours = 0x0a00'020f, peer = 0x0808'0808;

struct Table {
    std::unique_ptr<Nat> nat = std::make_unique<Nat>();
    u64 now = 50 * second;
    u16 random = 3;

    explicit Table(u32 owners = 8) { nat->begin(second, owners, 0x1234); }
    NatDrop out(Bytes& frame, u32 owner = 0, u32 network = 0)
    {
        return nat->outbound(std::span{frame}.subspan(14), frame.size() - 14, {owner, network}, {ours}, random, now);
    }
    std::optional<Nat::Inside> in(Bytes& frame, NatDrop* why = nullptr)
    {
        NatDrop drop;
        auto const inside = nat->inbound(std::span{frame}.subspan(14), frame.size() - 14, now, drop);
        if (why)
            *why = drop;
        return inside;
    }
    // A packet of the guest's, and the port it got.
    u32 opened(Bytes frame, u32 owner = 0)
    {
        REQUIRE(out(frame, owner) == NatDrop::none);
        return get16(frame, 34);
    }
};

Bytes tcp_packet(u32 from, u32 port, u32 to, u32 to_port, u8 flags, usize payload = 10)
{
    return summed(ipv4(mac(2), mac(1), from, to, 6, tcp(port, to_port, 7, flags, filled(payload))), 50);
}
Bytes udp_packet(u32 from, u32 port, u32 to, u32 to_port, usize payload = 10)
{
    return summed(ipv4(mac(2), mac(1), from, to, 17, udp(port, to_port, filled(payload))), 40);
}
Bytes echo(u32 from, u32 to, u8 type, u32 identifier)
{
    Bytes packet = {type, 0, 0, 0};
    put16(packet, identifier);
    put16(packet, 1);
    Bytes const more = filled(32);
    packet.insert(packet.end(), more.begin(), more.end());
    set16(packet, 2, ~plain_sum(packet, 0, packet.size()) & 0xffff);
    return ipv4(mac(2), mac(1), from, to, 1, packet);
}
bool header_is_right(Bytes const& frame) { return plain_sum(frame, 14, 34) == 0xffff; }

} // namespace

TEST_CASE("nat: out and back, checksums kept right, one hop less")
{
    Table table;
    for (bool const is_tcp : {true, false}) {
        CAPTURE(is_tcp);
        Bytes frame = is_tcp ? tcp_packet(guest, 4000, peer, 80, TcpHeader::syn, 33) : udp_packet(guest, 4000, peer, 80, 33);
        REQUIRE(table.out(frame) == NatDrop::none);
        CHECK(get32(frame, 26) == ours);
        CHECK(get32(frame, 30) == peer);
        CHECK(frame[22] == 63);
        CHECK(header_is_right(frame));
        CHECK(transport_sum(frame) == 0xffff);
        u32 const port = get16(frame, 34);
        CHECK(port >= Nat::first_port);
        CHECK(port < 49152);

        Bytes back = is_tcp ? tcp_packet(peer, 80, ours, port, TcpHeader::syn | TcpHeader::acknowledge, 21) : udp_packet(peer, 80, ours, port, 21);
        auto const inside = table.in(back);
        REQUIRE(inside);
        CHECK(inside->guest == Ipv4Address{guest});
        CHECK(get32(back, 30) == guest);
        CHECK(get16(back, 36) == 4000);
        CHECK(header_is_right(back));
        CHECK(transport_sum(back) == 0xffff);
    }
    CHECK(table.nat->in_use() == 2);
    // A datagram without a checksum keeps none.
    Bytes bare = udp_packet(guest, 5000, peer, 53);
    set16(bare, 40, 0);
    REQUIRE(table.out(bare) == NatDrop::none);
    CHECK(get16(bare, 40) == 0);
}

TEST_CASE("nat: a wrong checksum stays wrong")
{
    Table table;
    Bytes frame = tcp_packet(guest, 4000, peer, 80, TcpHeader::syn);
    frame[60] ^= 1;
    REQUIRE(table.out(frame) == NatDrop::none);
    CHECK(transport_sum(frame) != 0xffff);
}

TEST_CASE("nat: echo keeps its own way, others' do not come in")
{
    Table table;
    Bytes frame = echo(guest, peer, IcmpHeader::echo, 0x77);
    REQUIRE(table.out(frame) == NatDrop::none);
    u32 const identifier = get16(frame, 38);
    CHECK(plain_sum(frame, 34, frame.size()) == 0xffff);
    Bytes back = echo(peer, ours, IcmpHeader::echo_reply, identifier);
    REQUIRE(table.in(back));
    CHECK(get16(back, 38) == 0x77);
    CHECK(plain_sum(back, 34, back.size()) == 0xffff);
    NatDrop why;
    Bytes wrong = echo(peer + 1, ours, IcmpHeader::echo_reply, identifier);
    CHECK(!table.in(wrong, &why));
    CHECK(why == NatDrop::unknown);
    Bytes request = echo(peer, ours, IcmpHeader::echo, identifier);
    CHECK(!table.in(request, &why));                  // for the service itself
    Bytes reply = echo(guest, peer, IcmpHeader::echo_reply, 0x77);
    CHECK(table.out(reply) == NatDrop::protocol);
}

TEST_CASE("nat: nothing comes in unasked, nor from another peer, another port or by another protocol")
{
    Table table;
    u32 const port = table.opened(udp_packet(guest, 4000, peer, 53));
    Bytes const right = udp_packet(peer, 53, ours, port);
    for (Bytes frame : {udp_packet(peer + 1, 53, ours, port), udp_packet(peer, 54, ours, port), udp_packet(peer, 53, ours, port + 1), udp_packet(peer, 53, ours, port + Nat::most),
                        tcp_packet(peer, 53, ours, port, TcpHeader::syn), udp_packet(peer, 53, ours, 80)}) {
        Bytes const before = frame;
        NatDrop why;
        CHECK(!table.in(frame, &why));
        CHECK(why == NatDrop::unknown);
        CHECK(frame == before);                       // it goes on to the service as it is
    }
    Bytes frame = right;
    CHECK(table.in(frame));
}

TEST_CASE("nat: two guests with one port are kept apart, and so are two networks with one address")
{
    Table table;
    u32 const a = table.opened(udp_packet(guest, 4000, peer, 53), 0);
    u32 const b = table.opened(udp_packet(other, 4000, peer, 53), 1);
    CHECK(a != b);
    CHECK(table.opened(udp_packet(guest, 4000, peer, 53), 0) == a);
    Bytes same = udp_packet(guest, 4000, peer, 53);
    REQUIRE(table.out(same, 2, 1) == NatDrop::none);
    CHECK(get16(same, 34) != a);
    Bytes back = udp_packet(peer, 53, ours, get16(same, 34));
    CHECK(table.in(back)->network == 1);
    Bytes back_a = udp_packet(peer, 53, ours, a);
    CHECK(table.in(back_a)->network == 0);
}

TEST_CASE("nat: what it cannot translate is dropped and counted")
{
    Table table;
    Bytes fragment = ipv4(mac(2), mac(1), guest, peer, 17, udp(1, 2, filled(64)), 0x2000);
    CHECK(table.out(fragment) == NatDrop::fragment);
    Bytes later = ipv4(mac(2), mac(1), guest, peer, 17, filled(64), 8);
    CHECK(table.out(later) == NatDrop::fragment);
    Bytes strange = ipv4(mac(2), mac(1), guest, peer, 47, filled(64));
    CHECK(table.out(strange) == NatDrop::protocol);
    Bytes last_hop = ipv4(mac(2), mac(1), guest, peer, 17, udp(1, 2, filled(64)), 0, 1);
    CHECK(table.out(last_hop) == NatDrop::hops);
    Bytes cut = ipv4(mac(2), mac(1), guest, peer, 6, filled(19));
    CHECK(table.out(cut) == NatDrop::malformed);
    Bytes short_echo = ipv4(mac(2), mac(1), guest, peer, 1, Bytes{8, 0, 0, 0, 0, 0, 0});
    CHECK(table.out(short_echo) == NatDrop::malformed);
    CHECK(table.nat->in_use() == 0);
    CHECK(table.nat->counters().drops[static_cast<usize>(NatDrop::fragment)] == 2);
}

TEST_CASE("nat: a guest that opens without end displaces its own oldest, and nobody else's")
{
    Table table{8};
    constexpr u32 share = Nat::most / 8;
    u32 const quiet = table.opened(udp_packet(other, 4000, peer, 53), 1);
    u32 const first = table.opened(udp_packet(guest, 1000, peer, 53), 0);
    for (u32 i = 1; i < 5 * share; i++)
        table.opened(udp_packet(guest, 1000 + i, peer, 53), 0);
    CHECK(table.nat->in_use() == share + 1);
    CHECK(table.nat->counters().displaced == 4 * share);
    Bytes back = udp_packet(peer, 53, ours, quiet);
    CHECK(table.in(back));
    Bytes gone = udp_packet(peer, 53, ours, first);
    CHECK(!table.in(gone));
    // One in use is not the oldest.
    Table busy{8};
    u32 const used = busy.opened(udp_packet(guest, 9, peer, 53), 0);
    for (u32 i = 0; i < 3 * share; i++) {
        busy.opened(udp_packet(guest, 1000 + i, peer, 53), 0);
        CHECK(busy.opened(udp_packet(guest, 9, peer, 53), 0) == used);
    }
    // All shares full is the whole table.
    Table all{8};
    for (u32 owner = 0; owner < 8; owner++)
        for (u32 i = 0; i < share + 3; i++)
            all.opened(udp_packet(guest + owner, 1000 + i, peer, 53), owner);
    CHECK(all.nat->in_use() == Nat::most);
}

TEST_CASE("nat: every card there can be, and every network's strangers, has a share of its own")
{
    constexpr u32 owners = abi::max_cards + abi::max_networks;
    Table table{owners};
    for (u32 owner = 0; owner < owners; owner++)
        for (u32 i = 0; i < Nat::most / owners + 3; i++)
            table.opened(udp_packet(guest + owner, 1000 + i, peer, 53), owner);
    CHECK(table.nat->in_use() == Nat::most / owners * owners);
    CHECK(table.nat->counters().displaced == 3 * owners);
}

TEST_CASE("nat: entries grow old by what they are")
{
    auto const lives = [](auto&& prepare, u64 seconds) {
        Table table;
        u32 const port = prepare(table);
        table.now += seconds * second;
        Bytes back = tcp_packet(peer, 80, ours, port, TcpHeader::acknowledge);
        return table.in(back).has_value();
    };
    auto const begun = [](Table& table) { return table.opened(tcp_packet(guest, 4000, peer, 80, TcpHeader::syn)); };
    auto const established = [&](Table& table) {
        u32 const port = begun(table);
        Bytes back = tcp_packet(peer, 80, ours, port, TcpHeader::syn | TcpHeader::acknowledge);
        REQUIRE(table.in(back));
        return port;
    };
    auto const ended = [&](Table& table) {
        u32 const port = established(table);
        table.opened(tcp_packet(guest, 4000, peer, 80, TcpHeader::fin | TcpHeader::acknowledge));
        return port;
    };
    CHECK(lives(begun, 239));
    CHECK(!lives(begun, 242));
    CHECK(lives(established, 7200));
    CHECK(!lives(established, 7500));
    CHECK(!lives(ended, 242));

    Table table;
    u32 const port = table.opened(udp_packet(guest, 4000, peer, 53));
    table.now += 301 * second;
    Bytes back = udp_packet(peer, 53, ours, port);
    CHECK(!table.in(back));
    CHECK(table.nat->in_use() == 0);
}

TEST_CASE("nat: a forward leads in and back, and takes no entry")
{
    Table table;
    REQUIRE(table.nat->add({Protocol::tcp, 2222, 4, {guest}, 22}));
    CHECK(!table.nat->add({Protocol::tcp, 2222, 4, {other}, 22}));   // the port is taken
    CHECK(!table.nat->add({Protocol::tcp, 2223, 4, {guest}, 22}));   // whose answer would it be?
    CHECK(table.nat->add({Protocol::udp, 2222, 4, {guest}, 22}));
    for (u32 i = 0; i < 10'000; i++) {
        Bytes frame = tcp_packet(peer + i, 1000, ours, 2222, TcpHeader::syn);
        auto const inside = table.in(frame);
        REQUIRE(inside);
        CHECK(inside->network == 4);
        CHECK(get32(frame, 30) == guest);
        CHECK(get16(frame, 36) == 22);
        CHECK(transport_sum(frame) == 0xffff);
    }
    Bytes answer = tcp_packet(guest, 22, peer, 1000, TcpHeader::syn | TcpHeader::acknowledge);
    REQUIRE(table.out(answer, 0, 4) == NatDrop::none);
    CHECK(get32(answer, 26) == ours);
    CHECK(get16(answer, 34) == 2222);
    CHECK(transport_sum(answer) == 0xffff);
    CHECK(table.nat->in_use() == 0);
}

TEST_CASE("nat: a connection that got a forward's port gets its own answers, and its errors")
{
    Table table;
    constexpr u16 port = Nat::first_port + 3 * Nat::most;   // the first that is given, as table.random is 3
    REQUIRE(table.nat->add({Protocol::udp, port, 4, {other}, 53}));
    Bytes sent = udp_packet(guest, 4000, peer, 80);
    REQUIRE(table.out(sent) == NatDrop::none);
    REQUIRE(get16(sent, 34) == port);
    Bytes answer = udp_packet(peer, 80, ours, port);
    auto inside = table.in(answer);
    REQUIRE(inside);
    CHECK((inside->network == 0 && inside->guest == Ipv4Address{guest} && get16(answer, 36) == 4000));
    Bytes message = {3, 1, 0, 0, 0, 0, 0, 0};
    message.insert(message.end(), sent.begin() + 14, sent.begin() + 14 + 28);
    set16(message, 2, ~plain_sum(message, 0, message.size()) & 0xffff);
    Bytes error = ipv4(mac(2), mac(1), 0x0909'0909, ours, 1, message);
    inside = table.in(error);
    REQUIRE(inside);
    CHECK((inside->guest == Ipv4Address{guest} && get16(error, 62) == 4000));
    Bytes stranger = udp_packet(peer, 81, ours, port);  // the forward's, still
    inside = table.in(stranger);
    REQUIRE(inside);
    CHECK((inside->network == 4 && inside->guest == Ipv4Address{other} && get16(stranger, 36) == 53));
}

TEST_CASE("nat: a guest's packet to our address turns round to a forward's guest, and so does the answer")
{
    Table table;
    REQUIRE(table.nat->add({Protocol::tcp, 2222, 0, {guest}, 22}));
    REQUIRE(table.nat->add({Protocol::udp, 2222, 0, {guest}, 22}));
    REQUIRE(table.nat->add({Protocol::tcp, 3333, 1, {guest}, 22}));
    auto const turn = [&](Bytes& frame, Nat::Owner owner, NatDrop& why) {
        return table.nat->turn_round(std::span{frame}.subspan(14), frame.size() - 14, owner, {ours}, table.random, table.now, why);
    };
    for (u32 const sender : {guest, other})
        for (bool const is_tcp : {true, false}) {
            CAPTURE(sender);
            CAPTURE(is_tcp);
            NatDrop why;
            Nat::Owner const owner{sender - guest, 0};
            Bytes frame = is_tcp ? tcp_packet(sender, 4000, ours, 2222, TcpHeader::syn, 33) : udp_packet(sender, 4000, ours, 2222, 33);
            auto inside = turn(frame, owner, why);
            REQUIRE(inside);
            CHECK((inside->network == 0 && inside->guest == Ipv4Address{guest}));
            CHECK((get32(frame, 26) == ours && get32(frame, 30) == guest));
            CHECK(get16(frame, 36) == 22);
            CHECK((header_is_right(frame) && transport_sum(frame) == 0xffff));
            u32 const port = get16(frame, 34);
            CHECK((port >= Nat::first_port && port < 49152));

            Bytes answer = is_tcp ? tcp_packet(guest, 22, ours, port, TcpHeader::syn | TcpHeader::acknowledge) : udp_packet(guest, 22, ours, port);
            inside = turn(answer, {0, 0}, why);
            REQUIRE(inside);
            CHECK((inside->network == 0 && inside->guest == Ipv4Address{sender}));
            CHECK((get32(answer, 26) == ours && get32(answer, 30) == sender));
            CHECK((get16(answer, 34) == 2222 && get16(answer, 36) == 4000));
            CHECK((header_is_right(answer) && transport_sum(answer) == 0xffff));
            // Nobody outside is its peer.
            Bytes stranger = is_tcp ? tcp_packet(peer, 2222, ours, port, 0) : udp_packet(peer, 2222, ours, port);
            CHECK(!table.in(stranger));
        }
    CHECK(table.nat->in_use() == 4);
    NatDrop why = NatDrop::none;
    Bytes elsewhere = tcp_packet(guest, 4000, ours, 3333, TcpHeader::syn);   // another network's
    CHECK((!turn(elsewhere, {0, 0}, why) && why == NatDrop::unknown));
    Bytes nowhere = tcp_packet(guest, 4000, ours, 80, TcpHeader::syn);
    CHECK((!turn(nowhere, {0, 0}, why) && why == NatDrop::unknown));
    Bytes asked = echo(guest, ours, 8, 7);
    CHECK((!turn(asked, {0, 0}, why) && why == NatDrop::unknown));
    Bytes last = tcp_packet(guest, 4000, ours, 2222, TcpHeader::syn);
    last[22] = 2;                                      // out and in again are two
    set16(last, 24, 0);
    set16(last, 24, ~plain_sum(last, 14, 34) & 0xffff);
    CHECK((!turn(last, {0, 0}, why) && why == NatDrop::hops));
}

TEST_CASE("nat: an error comes back to whose packet it is about")
{
    Table table;
    Bytes sent = udp_packet(guest, 4000, peer, 53, 40);
    REQUIRE(table.out(sent) == NatDrop::none);
    // "Fragmentation needed", with the head of what was sent.
    Bytes error = {3, 4, 0, 0, 0, 0, 5, 0};
    error.insert(error.end(), sent.begin() + 14, sent.begin() + 14 + 28);
    set16(error, 2, ~plain_sum(error, 0, error.size()) & 0xffff);
    Bytes const good = ipv4(mac(2), mac(1), 0x0909'0909, ours, 1, error);
    Bytes frame = good;
    auto const inside = table.in(frame);
    REQUIRE(inside);
    CHECK(get32(frame, 30) == guest);
    CHECK(get32(frame, 54) == guest);
    CHECK(get16(frame, 62) == 4000);
    CHECK(header_is_right(frame));
    CHECK(plain_sum(frame, 42, 62) == 0xffff);         // the inner header
    CHECK(plain_sum(frame, 34, frame.size()) == 0xffff);

    auto const refused = [&](usize at, u8 change) {
        Bytes wrong = good;
        wrong.at(at) = static_cast<u8>(wrong[at] ^ change);
        Bytes const before = wrong;
        return !table.in(wrong) && wrong == before;
    };
    CHECK(refused(54, 1));                             // not from us
    CHECK(refused(58, 1));                             // to somebody else
    CHECK(refused(62, 1));                             // another port
    CHECK(refused(42, 0x40));                          // no IPv4
    CHECK(refused(51, 0xff));                          // another protocol
    Bytes cut = ipv4(mac(2), mac(1), 0x0909'0909, ours, 1, Bytes(error.begin(), error.begin() + 30));
    CHECK(!table.in(cut));
}
