// SPDX-License-Identifier: Apache-2.0
//
// See dns_server.hpp.
#include "drivers/net/dns_server.hpp"

namespace kennel::service::net {

using namespace dns;

namespace {

std::optional<u32> number_of(std::string_view label)
{
    if (label.empty() || label.size() > 3)
        return std::nullopt;
    u32 value = 0;
    for (char const c : label) {
        if (c < '0' || c > '9')
            return std::nullopt;
        value = value * 10 + static_cast<u32>(c - '0');
    }
    return value <= 255 ? std::optional{value} : std::nullopt;
}

// d.c.b.a.in-addr.arpa
std::optional<Ipv4Address> reverse_address(Question const& question)
{
    if (question.count != 6 || !question.is_below("in-addr", "arpa"))
        return std::nullopt;
    u32 value = 0;
    for (usize i = 4; i-- > 0;) {
        auto const byte = number_of(question.labels[i]);
        if (!byte)
            return std::nullopt;
        value = value << 8 | *byte;
    }
    return Ipv4Address{value};
}

// RFC 6303, "IPv4 locally served zones" and "IPv6 locally served zones": nobody outside may be asked for these.
bool is_locally_served(Question const& question)
{
    if (question.is_below("in-addr", "arpa") && question.count >= 3) {
        auto const first = number_of(question.labels[question.count - 3]);
        auto const second = question.count >= 4 ? number_of(question.labels[question.count - 4]) : std::nullopt;
        auto const third = question.count >= 5 ? number_of(question.labels[question.count - 5]) : std::nullopt;
        if (!first)
            return false;
        switch (*first) {
        case 0: case 10: case 127: return true;
        case 169: return second && *second == 254;
        case 172: return second && *second >= 16 && *second <= 31;
        case 192: return second && (*second == 168 || (*second == 0 && third && *third == 2));
        case 198: return second && *second == 51 && third && *third == 100;
        case 203: return second && *second == 0 && third && *third == 113;
        case 255: return question.count == 6 && second && *second == 255;
        default:  return false;
        }
    }
    if (question.is_below("ip6", "arpa")) {
        usize const nibbles = question.count - 2;
        auto const nibble = [&](usize from_left) { return lower(question.labels[nibbles - 1 - from_left][0]); };
        for (usize i = 0; i < nibbles; i++)
            if (question.labels[i].size() != 1)
                return false;
        if (nibbles >= 2 && nibble(0) == 'f' && nibble(1) == 'd')
            return true;
        if (nibbles >= 3 && nibble(0) == 'f' && nibble(1) == 'e' && (nibble(2) == '8' || nibble(2) == '9' || nibble(2) == 'a' || nibble(2) == 'b'))
            return true;
        constexpr std::string_view documentation = "20010db8";
        bool is_documentation = nibbles >= documentation.size();
        for (usize i = 0; is_documentation && i < documentation.size(); i++)
            is_documentation = nibble(i) == documentation[i];
        if (is_documentation)
            return true;
        if (nibbles == 32) {                          // :: and ::1
            for (usize i = 0; i < 31; i++)
                if (nibble(i) != '0')
                    return false;
            return nibble(31) == '0' || nibble(31) == '1';
        }
        return false;
    }
    // RFC 6761: `localhost` and `invalid` never leave the machine.
    return question.count > 0 && (question.is_below("localhost") || question.is_below("invalid"));
}

// name.kennel, as labels.
usize write_name(std::string_view name, std::span<u8, 64> out)
{
    constexpr std::string_view domain = "kennel";
    usize at = 0;
    auto const put = [&](std::string_view label) {
        out[at++] = static_cast<u8>(label.size());
        for (char const c : label)
            out[at++] = static_cast<u8>(c);
    };
    put(name.substr(0, 48));
    if (!same(name, "localhost"))
        put(domain);
    out[at++] = 0;
    return at;
}

// A guest's name as it is, or below `kennel`. `gateway` is the service.
std::optional<Ipv4Address> address_of(Neighbours const& neighbours, Question const& question)
{
    bool const with_domain = question.count == 2 && question.is_below("kennel");
    if (question.count != 1 && !with_domain)
        return std::nullopt;
    std::string_view const label = question.labels[0];
    if (question.count == 1 && same(label, "localhost"))
        return Ipv4Address::of(127, 0, 0, 1);
    if (same(label, "gateway"))
        return neighbours.service();
    for (Neighbour const& neighbour : neighbours.known())
        if (same(label, neighbour.name))
            return neighbour.address;
    return std::nullopt;
}

std::string_view name_at(Neighbours const& neighbours, Ipv4Address address)
{
    if (address == Ipv4Address::of(127, 0, 0, 1))
        return "localhost";
    if (address == neighbours.service())
        return "gateway";
    Neighbour const* const known = neighbours.find(address);
    return known ? known->name : std::string_view{};
}

} // namespace

DnsServer::Result DnsServer::answer(Neighbours const& neighbours, std::span<u8 const> message, std::span<u8, dns_message_bytes> out)
{
    auto const header = read_header<Header>(message);
    if (!header || (header->flags & response)) {      // an answer to an answer would go on for ever
        counters_.malformed++;
        return {};
    }
    counters_.questions++;
    Reply reply{out};
    auto const say = [&](Outcome outcome, u64& counter) {
        reply.outcome(outcome);
        counter++;
        return Result{Verdict::answer, reply.finish()};
    };
    auto const question = header->questions == 1 ? read_question(message) : std::nullopt;
    if (!question) {
        reply.begin(*header, {});
        counters_.malformed++;
        return say(Outcome::format_error, counters_.failed);
    }
    reply.begin(*header, message.subspan(sizeof(Header), question->end - sizeof(Header)));
    if (header->flags & operation_bits)
        return say(Outcome::not_implemented, counters_.failed);

    auto const nothing = [&](Outcome outcome) {
        reply.is_authoritative();
        reply.nothing_there();
        return say(outcome, counters_.answered);
    };
    if (question->kind == internet) {
        if (auto const address = address_of(neighbours, *question)) {
            if (question->type != Type::a && question->type != Type::any)
                return nothing(Outcome::ok);          // the name is there, but has nothing of that type
            reply.is_authoritative();
            Big32 const data{address->value};
            reply.record(Type::a, data.bytes);
            return say(Outcome::ok, counters_.answered);
        }
        if (auto const address = reverse_address(*question)) {
            if (auto const name = name_at(neighbours, *address); !name.empty()) {
                if (question->type != Type::ptr && question->type != Type::any)
                    return nothing(Outcome::ok);
                reply.is_authoritative();
                u8 data[64];
                reply.record(Type::ptr, std::span{data}.first(write_name(name, data)));
                return say(Outcome::ok, counters_.answered);
            }
        }
        // `kennel` and names of one label are ours alone: nobody outside knows more.
        if (is_locally_served(*question) || question->is_below("kennel") || question->count == 1)
            return nothing(Outcome::no_such_name);
    }
    return {Verdict::forward, 0};
}

usize DnsServer::fail(std::span<u8 const> message, std::span<u8, dns_message_bytes> out)
{
    Reply reply{out};
    auto const header = read_header<Header>(message);
    auto const question = header ? read_question(message) : std::nullopt;
    if (!question)
        return 0;
    reply.begin(*header, message.subspan(sizeof(Header), question->end - sizeof(Header)));
    reply.outcome(Outcome::failed);
    counters_.failed++;
    return reply.finish();
}

} // namespace kennel::service::net
