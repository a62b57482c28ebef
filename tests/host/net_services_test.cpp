// SPDX-License-Identifier: Apache-2.0
#include "drivers/net/dhcp.hpp"
#include "drivers/net/dns_forwarder.hpp"
#include "drivers/net/dns_server.hpp"
#include "tests/host/net_frames.hpp"
#include <doctest/doctest.h>

using namespace kennel;
using namespace kennel::service::net;
using namespace kennel::service::net::test;

namespace {

struct Home {
    Neighbours neighbours{{Ipv4Address::of(10, 78, 1, 0), 24}};
    Home()
    {
        CHECK(neighbours.add(mac(1), "web"));
        CHECK(neighbours.add(mac(2), "Base"));
    }
};

// A client's message as busybox writes it.
Bytes ask(MacAddress hardware, u8 kind, Bytes const& more = {}, u32 client = 0, u32 flags = 0)
{
    Bytes bytes = {1, 1, 6, 0, 0xde, 0xad, 0xbe, 0xef};
    put16(bytes, 0);
    put16(bytes, flags);
    put32(bytes, client);
    bytes.resize(28);
    bytes.insert(bytes.end(), hardware.bytes, hardware.bytes + 6);
    bytes.resize(236);
    put32(bytes, 0x63825363);
    for (u8 const byte : {u8{0}, u8{53}, u8{1}, kind})
        bytes.push_back(byte);
    bytes.insert(bytes.end(), more.begin(), more.end());
    bytes.push_back(255);
    return bytes;
}
Bytes option(u8 code, u32 address)
{
    Bytes bytes = {code, 4};
    put32(bytes, address);
    return bytes;
}

struct Answered {
    bool   any = false;
    u8     kind = 0;
    u32    yours = 0;
    DhcpAnswer to{};
    Bytes  reply;
    Bytes  find(u8 code) const
    {
        for (usize at = 240; at < reply.size() && reply[at] != 255; at += 2u + reply[at + 1])
            if (reply[at] == code)
                return Bytes(reply.begin() + static_cast<long>(at) + 2, reply.begin() + static_cast<long>(at) + 2 + reply[at + 1]);
        return {};
    }
};

Answered answered(DhcpServer& server, Bytes const& request, u64 now = 1)
{
    std::array<u8, DhcpServer::reply_bytes> reply;
    reply.fill(0xaa);
    MacAddress from;
    if (request.size() >= 34)
        std::copy_n(request.begin() + 28, 6, from.bytes);
    auto const answer = server.answer(from, request, reply, now);
    if (!answer)
        return {};
    Answered out{true, 0, 0, *answer, Bytes(reply.begin(), reply.begin() + static_cast<long>(answer->size))};
    out.kind = out.find(53).at(0);
    out.yours = get32(out.reply, 16);
    CHECK(out.reply[0] == 2);
    CHECK(get32(out.reply, 4) == 0xdeadbeef);
    CHECK(out.reply.size() >= 300);
    return out;
}

constexpr u32 web = 0x0a4e'0110, base = 0x0a4e'0111, gateway = 0x0a4e'0101;

Bytes question(std::string_view name, u16 type, u16 id = 0x4242, u16 flags = 0x0100)
{
    Bytes bytes;
    for (u32 const word : {u32{id}, u32{flags}, 1u, 0u, 0u, 0u})
        put16(bytes, word);
    while (!name.empty()) {
        auto const end = std::min(name.find('.'), name.size());
        bytes.push_back(static_cast<u8>(end));
        bytes.insert(bytes.end(), name.begin(), name.begin() + static_cast<long>(end));
        name.remove_prefix(std::min(end + 1, name.size()));
    }
    bytes.push_back(0);
    put16(bytes, type);
    put16(bytes, 1);
    return bytes;
}

struct Said {
    DnsServer::Verdict verdict;
    u32   outcome = 99, answers = 0;
    Bytes reply;
    std::string tail() const { return {reply.end() - 12, reply.end()}; }
};

Said said(DnsServer& server, Neighbours const& neighbours, Bytes const& asked)
{
    std::array<u8, dns_message_bytes> reply;
    reply.fill(0xaa);
    auto const result = server.answer(neighbours, asked, reply);
    Said out{result.verdict, 99, 0, Bytes(reply.begin(), reply.begin() + static_cast<long>(result.size))};
    if (result.verdict == DnsServer::Verdict::answer) {
        out.outcome = get16(out.reply, 2) & 15;
        out.answers = get16(out.reply, 6);
        CHECK(get16(out.reply, 0) == get16(asked, 0));
        CHECK((get16(out.reply, 2) & 0x8080) == 0x8080);
    }
    return out;
}

constexpr u16 a_record = 1, ptr = 12, aaaa = 28;

} // namespace

TEST_CASE("dhcp: a guest is offered its own address, and has it again")
{
    Home home;
    DhcpServer server{home.neighbours, true};
    auto const offer = answered(server, ask(mac(2), 1));
    REQUIRE(offer.any);
    CHECK(offer.kind == 2);
    CHECK(offer.yours == base);
    CHECK(offer.to.hardware == mac(2));
    CHECK(offer.to.address.value == base);
    CHECK(offer.find(1) == Bytes{255, 255, 255, 0});
    CHECK(offer.find(3) == Bytes{10, 78, 1, 1});
    CHECK(offer.find(6) == Bytes{10, 78, 1, 1});
    CHECK(offer.find(12) == Bytes{'B', 'a', 's', 'e'});
    auto const chosen = option(54, gateway);
    Bytes wish = option(50, base);
    wish.insert(wish.end(), chosen.begin(), chosen.end());
    CHECK(answered(server, ask(mac(2), 3, wish)).kind == 5);
    auto const renewed = answered(server, ask(mac(2), 3, {}, base));
    CHECK(renewed.kind == 5);
    CHECK(renewed.to.address.value == base);
    CHECK(answered(server, ask(mac(2), 1, {}, 0, 0x8000)).to.hardware == everybody);
    CHECK(server.counters().acknowledged == 2);
}

TEST_CASE("dhcp: an isolated network has no router")
{
    Home home;
    DhcpServer server{home.neighbours, false};
    CHECK(answered(server, ask(mac(1), 1)).find(3).empty());
    CHECK(answered(server, ask(mac(1), 1)).find(6) == Bytes{10, 78, 1, 1});
}

TEST_CASE("dhcp: another's address is refused, another server's client left alone")
{
    Home home;
    DhcpServer server{home.neighbours, true};
    auto const refused = answered(server, ask(mac(1), 3, option(50, base)));
    CHECK(refused.kind == 6);
    CHECK(refused.yours == 0);
    CHECK(refused.to.hardware == everybody);
    CHECK_FALSE(answered(server, ask(mac(1), 3, option(54, 0x0a000202))).any);
    CHECK_FALSE(answered(server, ask(mac(1), 7, {}, web)).any);
    auto const informed = answered(server, ask(mac(1), 8, {}, web));
    CHECK(informed.kind == 5);
    CHECK(informed.yours == 0);
    CHECK(informed.find(51).empty());
}

TEST_CASE("dhcp: strangers get leases that last, and cannot take a guest's")
{
    Home home;
    DhcpServer server{home.neighbours, true};
    u32 const first = answered(server, ask(mac(50), 1), 1).yours;
    CHECK(first >= 0x0a4e'0180);
    CHECK(answered(server, ask(mac(51), 1), 2).yours != first);
    CHECK(answered(server, ask(mac(50), 3, {}, first), 3).kind == 5);
    for (u32 i = 0; i < 1000; i++)
        CHECK(answered(server, ask(MacAddress::from(0x0200'0000'0000 + i), 1), 10 + i).yours >= 0x0a4e'0180);
    CHECK(answered(server, ask(mac(1), 1), 5000).yours == web);
    CHECK(*home.neighbours.hardware_of({web}) == mac(1));
    CHECK(home.neighbours.hardware_of({0x0a4e'01fe}) == nullptr);
}

TEST_CASE("dhcp: what is no question is not answered")
{
    Home home;
    DhcpServer server{home.neighbours, true};
    Bytes const good = ask(mac(1), 1);
    for (usize const at : {0u, 1u, 2u, 24u, 236u}) {
        Bytes bad = good;
        bad[at] ^= 0x40;
        CHECK_FALSE(answered(server, bad).any);
    }
    for (usize size = 0; size < 244; size++)
        CHECK_FALSE(answered(server, Bytes(good.begin(), good.begin() + static_cast<long>(size))).any);
    Bytes group = good;
    group[28] |= 1;
    CHECK_FALSE(answered(server, group).any);
    Bytes cut = ask(mac(1), 1);
    cut.back() = 50;                                   // an option without its length
    CHECK(answered(server, cut).kind == 2);
}

TEST_CASE("dns: guests' names and addresses, both ways")
{
    Home home;
    DnsServer server;
    for (std::string_view const name : {"web", "WEB", "web.kennel", "wEb.Kennel"}) {
        auto const s = said(server, home.neighbours, question(name, a_record));
        CHECK(s.outcome == 0);
        CHECK(s.answers == 1);
        CHECK(get32(s.reply, s.reply.size() - 4) == web);
    }
    auto const six = said(server, home.neighbours, question("base", aaaa));
    CHECK(six.outcome == 0);
    CHECK(six.answers == 0);
    auto const back = said(server, home.neighbours, question("16.1.78.10.in-addr.arpa", ptr));
    CHECK(back.answers == 1);
    CHECK(back.tail() == std::string("\3web\6kennel\0", 12));
    CHECK(said(server, home.neighbours, question("1.1.78.10.IN-ADDR.ARPA", ptr)).answers == 1);
    CHECK(said(server, home.neighbours, question("1.0.0.127.in-addr.arpa", ptr)).answers == 1);
    CHECK(said(server, home.neighbours, question("nobody", a_record)).outcome == 3);
    CHECK(said(server, home.neighbours, question("web.other.kennel", a_record)).outcome == 3);
    CHECK(server.counters().unanswered(0) == 0);
}

TEST_CASE("dns: zones nobody outside can know are answered at once, their neighbours are not")
{
    Home home;
    DnsServer server;
    for (std::string_view const name : {"2.2.0.10.in-addr.arpa", "10.in-addr.arpa", "1.0.16.172.in-addr.arpa", "1.0.31.172.in-addr.arpa", "9.9.168.192.in-addr.arpa", "1.1.254.169.in-addr.arpa",
             "5.5.5.127.in-addr.arpa", "1.2.0.192.in-addr.arpa", "1.100.51.198.in-addr.arpa", "1.113.0.203.in-addr.arpa", "255.255.255.255.in-addr.arpa", "0.0.0.0.in-addr.arpa",
             "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa", "0.0.d.f.ip6.arpa", "1.9.E.F.ip6.arpa", "b.e.f.ip6.arpa", "8.b.d.0.1.0.0.2.ip6.arpa",
             "a.localhost", "x.invalid"}) {
        auto const s = said(server, home.neighbours, question(name, ptr));
        CAPTURE(name);
        CHECK(s.verdict == DnsServer::Verdict::answer);
        CHECK(s.outcome == 3);
        CHECK(get16(s.reply, 8) == 1);                 // with the SOA that says how long to remember that
    }
    for (std::string_view const name : {"1.0.15.172.in-addr.arpa", "1.0.32.172.in-addr.arpa", "1.1.1.192.in-addr.arpa", "8.8.8.8.in-addr.arpa", "1.1.253.169.in-addr.arpa", "c.e.f.ip6.arpa",
             "7.b.d.0.1.0.0.2.ip6.arpa", "debian.org", "web.example", "ip6.arpa", "in-addr.arpa"})
        CHECK(said(server, home.neighbours, question(name, ptr)).verdict == DnsServer::Verdict::forward);
}

TEST_CASE("dns: every question that can be read is answered, no answer ever is")
{
    Home home;
    DnsServer server;
    Bytes reply = question("web", a_record);
    reply[2] |= 0x80;
    CHECK(said(server, home.neighbours, reply).verdict == DnsServer::Verdict::drop);
    CHECK(said(server, home.neighbours, Bytes{1, 2, 3}).verdict == DnsServer::Verdict::drop);
    Bytes two = question("web", a_record);
    two[5] = 2;
    CHECK(said(server, home.neighbours, two).outcome == 1);
    CHECK(said(server, home.neighbours, question("web", a_record, 7, 0x2800)).outcome == 4);
    Bytes pointer = question("web", a_record);
    pointer[12] = 0xc0;
    CHECK(said(server, home.neighbours, pointer).outcome == 1);
    std::array<u8, dns_message_bytes> space;
    Bytes const asked = question("debian.org", a_record);
    usize const size = server.fail(asked, space);
    CHECK(size == asked.size());
    CHECK((get16(Bytes(space.begin(), space.end()), 2) & 0x800f) == 0x8002);
}

TEST_CASE("dns: questions wait upstream, are relayed to who asked, and are given up in time")
{
    DnsForwarder forwarder;
    DnsClient const client{{web}, 4000, 1}, other{{base}, 4000, 1};
    Bytes asked = question("debian.org", a_record, 0x4242);
    auto const id = forwarder.forward(asked, client, 1000, 100, 50);
    REQUIRE(id);
    CHECK(get16(asked, 0) == *id);
    Bytes second = question("debian.org", a_record, 0x4242);
    auto const second_id = forwarder.forward(second, other, 1000, 100, 60);
    REQUIRE(second_id);
    CHECK(*second_id != *id);
    CHECK(forwarder.next_deadline() == 150);

    Bytes answer = asked;
    CHECK_FALSE(forwarder.relay(answer));              // a question is no answer
    answer[2] |= 0x80;
    Bytes wrong = answer;
    wrong[14] ^= 1;                                    // another question
    CHECK_FALSE(forwarder.relay(wrong));
    auto const whose = forwarder.relay(answer);
    REQUIRE(whose);
    CHECK(*whose == client);
    CHECK(get16(answer, 0) == 0x4242);
    set16(answer, 0, *id);
    CHECK_FALSE(forwarder.relay(answer));              // once only

    std::array<u8, dns_message_bytes> space;
    usize size = 0;
    CHECK_FALSE(forwarder.expired(159, space, size));
    auto const late = forwarder.expired(160, space, size);
    REQUIRE(late);
    CHECK(*late == other);
    CHECK(Bytes(space.begin(), space.begin() + static_cast<long>(size)) == question("debian.org", a_record, 0x4242));
    CHECK(forwarder.waiting() == 0);

    for (u32 i = 0; i < DnsForwarder::most_per_client; i++) {
        Bytes more = question("x.org", a_record);
        CHECK(forwarder.forward(more, client, 7, 1, 1));
    }
    Bytes more = question("x.org", a_record);
    CHECK_FALSE(forwarder.forward(more, client, 7, 1, 1));
    CHECK(forwarder.forward(more, other, 7, 1, 1));
}
