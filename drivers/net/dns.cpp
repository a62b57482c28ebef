// SPDX-License-Identifier: Apache-2.0
//
// See dns.hpp.
#include "drivers/net/dns.hpp"
#include "drivers/net/headers.hpp"
#include <cstring>

namespace kennel::service::net {

namespace {

// RFC 1035, "Header section format".
struct Header { Big16 id, flags, questions, answers, authorities, additional; };
static_assert(sizeof(Header) == 12);

constexpr u16 response = 0x8000, operation_bits = 0x7800, authoritative = 0x0400, recursion_desired = 0x0100, recursion_available = 0x0080;
enum class Outcome : u16 { ok = 0, format_error = 1, failed = 2, no_such_name = 3, not_implemented = 4 };
enum class Type : u16 { a = 1, soa = 6, ptr = 12, aaaa = 28, any = 255 };
constexpr u16 internet = 1;
constexpr u32 ttl = 60;                               // seconds; names and addresses are fixed, but the machine may be set up anew

constexpr usize most_labels = 34;                     // of an IPv6 reverse name: 32 nibbles and ip6.arpa
constexpr usize most_name_bytes = 255;

constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool same(std::string_view a, std::string_view b)
{
    if (a.size() != b.size())
        return false;
    for (usize i = 0; i < a.size(); i++)
        if (lower(a[i]) != lower(b[i]))
            return false;
    return true;
}

struct Question {
    std::string_view labels[most_labels];             // into the message
    usize count = 0;
    Type  type{};
    u16   kind = 0;                                   // class
    usize end = 0;                                    // where it ends in the message

    // The last labels, in reading order: is_below("168", "192", "in-addr", "arpa").
    template<class... Label> bool is_below(Label... wanted) const
    {
        std::string_view const tail[] = {wanted...};
        usize const size = sizeof...(wanted);
        if (size > count)
            return false;
        for (usize i = 0; i < size; i++)
            if (!same(labels[count - size + i], tail[i]))
                return false;
        return true;
    }
};

// Names in questions are not compressed by anybody: there is nothing before them to point to.
std::optional<Question> read_question(std::span<u8 const> message)
{
    Question question;
    usize at = sizeof(Header);
    for (;;) {
        if (at >= message.size() || at - sizeof(Header) > most_name_bytes)
            return std::nullopt;
        usize const size = message[at++];
        if (size == 0)
            break;
        if (size > 63 || size > message.size() - at)
            return std::nullopt;
        if (question.count < most_labels)
            question.labels[question.count++] = {reinterpret_cast<char const*>(message.data()) + at, size};
        else
            return std::nullopt;
        at += size;
    }
    auto const type = read_header<Big16>(message, at);
    auto const kind = read_header<Big16>(message, at + 2);
    if (!type || !kind)
        return std::nullopt;
    question.type = static_cast<Type>(static_cast<u16>(*type));
    question.kind = *kind;
    question.end = at + 4;
    return question;
}

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

// The reply under construction, in a message of dns_message_bytes; what does not fit is left out and fit() says so.
class Reply {
public:
    explicit Reply(std::span<u8, dns_message_bytes> bytes) : bytes_{bytes} {}

    void begin(Header const& asked, std::span<u8 const> question)
    {
        header_ = {};
        header_.id = asked.id;
        header_.flags = static_cast<u16>(response | recursion_available | (asked.flags & (operation_bits | recursion_desired)));
        at_ = sizeof(Header);
        if (!question.empty() && question.size() <= bytes_.size() - at_) {
            header_.questions = 1;
            std::memcpy(bytes_.data() + at_, question.data(), question.size());
            at_ += question.size();
        }
    }
    void outcome(Outcome outcome) { header_.flags = static_cast<u16>((header_.flags & 0xfff0) | static_cast<u16>(outcome)); }
    void is_authoritative() { header_.flags = static_cast<u16>(header_.flags | authoritative); }

    // A record about the name in question.
    void record(Type type, std::span<u8 const> data)
    {
        put16(name_in_question);
        put_fixed(type, data.size());
        put(data);
        header_.answers = static_cast<u16>(header_.answers + 1);
    }
    // RFC 2308: how long it may be remembered that there is nothing.
    void nothing_there()
    {
        u8 const root[] = {0};
        u8 data[2 + 20] = {0, 0};                     // both names are the root
        std::span<u8> const numbers{data};
        u32 const values[] = {1, 3600, 600, 86400, ttl};
        for (usize i = 0; i < 5; i++)
            write_header(numbers, 2 + 4 * i, Big32{values[i]});
        put(root);
        put_fixed(Type::soa, sizeof data);
        put(data);
        header_.authorities = 1;
    }
    usize finish()
    {
        write_header(bytes_, 0, header_);
        return at_;
    }

private:
    static constexpr u16 name_in_question = 0xc000 | sizeof(Header);

    void put(std::span<u8 const> data)
    {
        if (data.size() > bytes_.size() - at_)
            return;
        std::memcpy(bytes_.data() + at_, data.data(), data.size());
        at_ += data.size();
    }
    void put16(u16 value)
    {
        Big16 const big{value};
        put(big.bytes);
    }
    void put_fixed(Type type, usize size)
    {
        Big32 const lifetime{ttl};
        put16(static_cast<u16>(type));
        put16(internet);
        put(lifetime.bytes);
        put16(static_cast<u16>(size));
    }

    std::span<u8, dns_message_bytes> bytes_;
    Header header_;
    usize  at_ = 0;
};

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

// ---- questions that are upstream ----

std::optional<u16> DnsForwarder::forward(std::span<u8> message, DnsClient client, u16 random, u64 now, u64 patience)
{
    auto const header = read_header<Header>(message);
    auto const question = header ? read_question(message) : std::nullopt;
    if (!question || question->end - sizeof(Header) > sizeof(Waiting::question))
        return std::nullopt;
    Waiting* place = nullptr;
    u32 of_client = 0;
    for (Waiting& waiting : waiting_) {
        if (!waiting.until) {
            place = place ? place : &waiting;
            continue;
        }
        of_client += waiting.client.address == client.address && waiting.client.network == client.network;
    }
    if (!place || of_client >= most_per_client)
        return std::nullopt;
    for (bool again = true; again;) {                 // ends: the table is far smaller than the ids
        again = false;
        for (Waiting const& waiting : waiting_)
            if (waiting.until && waiting.own_id == random) {
                random++;
                again = true;
            }
    }
    *place = {client, random, header->id, now + patience, {}, static_cast<u8>(question->end - sizeof(Header))};
    std::memcpy(place->question, message.data() + sizeof(Header), place->question_bytes);
    write_header(message, 0, Big16{random});
    count_++;
    return random;
}

std::optional<DnsClient> DnsForwarder::relay(std::span<u8> answer)
{
    auto const header = read_header<Header>(answer);
    if (!header || !(header->flags & response))
        return std::nullopt;
    for (Waiting& waiting : waiting_) {
        if (!waiting.until || waiting.own_id != header->id)
            continue;
        // RFC 5452, "Query matching rules": the question must be the one that was asked.
        if (header->questions != 1 || answer.size() - sizeof(Header) < waiting.question_bytes ||
            std::memcmp(answer.data() + sizeof(Header), waiting.question, waiting.question_bytes) != 0)
            return std::nullopt;
        write_header(answer, 0, Big16{waiting.client_id});
        waiting.until = 0;
        count_--;
        return waiting.client;
    }
    return std::nullopt;
}

std::optional<DnsClient> DnsForwarder::expired(u64 now, std::span<u8, dns_message_bytes> question, usize& size)
{
    for (Waiting& waiting : waiting_) {
        if (!waiting.until || waiting.until > now)
            continue;
        Header header{};
        header.id = waiting.client_id;
        header.flags = recursion_desired;
        header.questions = 1;
        write_header(question, 0, header);
        std::memcpy(question.data() + sizeof(Header), waiting.question, waiting.question_bytes);
        size = sizeof(Header) + waiting.question_bytes;
        waiting.until = 0;
        count_--;
        return waiting.client;
    }
    return std::nullopt;
}

u64 DnsForwarder::next_deadline() const
{
    u64 first = ~0ull;
    for (Waiting const& waiting : waiting_)
        if (waiting.until)
            first = std::min(first, waiting.until);
    return first;
}

} // namespace kennel::service::net
