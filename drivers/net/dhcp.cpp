// SPDX-License-Identifier: Apache-2.0
//
// See dhcp.hpp.
#include "drivers/net/dhcp.hpp"
#include "drivers/net/headers.hpp"

namespace kennel::service::net {

namespace {

// RFC 2131, "Protocol Summary", figure 1.
struct Message {
    u8    operation, hardware_type, hardware_bytes, hops;
    Big32 transaction;
    Big16 seconds, flags;
    Big32 client, yours, server, relay;
    u8    hardware[16];
    u8    server_name[64], file[128];
    Big32 cookie;
};
static_assert(sizeof(Message) == 240);

constexpr u8    request_operation = 1, reply_operation = 2, ethernet_type = 1;
constexpr u32   magic_cookie = 0x6382'5363;
constexpr u16   broadcast_flag = 0x8000;
constexpr usize smallest_reply = 300;                 // RFC 1542, "Requirements for BOOTP clients": some drop shorter ones

// RFC 2132.
enum class Option : u8 {
    pad = 0, mask = 1, router = 3, name_server = 6, host_name = 12, domain = 15, requested = 50, lease = 51, kind = 53,
    server = 54, renewal = 58, rebinding = 59, end = 255,
};
enum class Kind : u8 { none = 0, discover = 1, offer = 2, request = 3, decline = 4, acknowledge = 5, refuse = 6, release = 7, inform = 8 };

struct Wishes {
    Kind kind = Kind::none;
    std::optional<Ipv4Address> requested, server;
};

// Options that do not fit into the message, or are of the wrong length, end the list.
Wishes read_options(std::span<u8 const> bytes)
{
    Wishes wishes;
    usize at = 0;
    while (at < bytes.size()) {
        auto const code = static_cast<Option>(bytes[at++]);
        if (code == Option::pad)
            continue;
        if (code == Option::end || at == bytes.size())
            break;
        usize const size = bytes[at++];
        if (size > bytes.size() - at)
            break;
        auto const number = read_header<Big32>(bytes.first(at + size), at);
        if (code == Option::kind && size == 1)
            wishes.kind = static_cast<Kind>(bytes[at]);
        else if (code == Option::requested && size == 4)
            wishes.requested = Ipv4Address{*number};
        else if (code == Option::server && size == 4)
            wishes.server = Ipv4Address{*number};
        at += size;
    }
    return wishes;
}

// Room was checked for all that is written: the fixed part, and at most 110 bytes of options with a name of 31.
class Options {
public:
    explicit Options(std::span<u8> bytes) : bytes_{bytes} {}

    void put(Option code, std::string_view text)
    {
        if (text.size() > 255 || at_ + 2 + text.size() >= bytes_.size())
            return;
        bytes_[at_++] = static_cast<u8>(code);
        bytes_[at_++] = static_cast<u8>(text.size());
        for (char const c : text)
            bytes_[at_++] = static_cast<u8>(c);
    }
    void put(Option code, u32 number)
    {
        Big32 const big{number};
        put(code, {reinterpret_cast<char const*>(big.bytes), sizeof big});
    }
    void put(Option code, Ipv4Address address) { put(code, address.value); }
    void put(Option code, Kind kind)
    {
        char const byte = static_cast<char>(kind);
        put(code, {&byte, 1});
    }
    usize end()
    {
        bytes_[at_++] = static_cast<u8>(Option::end);
        return at_;
    }

private:
    std::span<u8> bytes_;
    usize at_ = 0;
};

} // namespace

std::optional<DhcpAnswer> DhcpServer::answer(MacAddress from, std::span<u8 const> request, std::span<u8, reply_bytes> reply, u64 now)
{
    auto const message = read_header<Message>(request);
    counters_.ignored++;                              // unless it is answered
    if (!message || message->operation != request_operation || message->hardware_type != ethernet_type || message->hardware_bytes != 6 ||
        message->cookie != magic_cookie || message->relay != 0)
        return std::nullopt;
    MacAddress hardware;
    std::copy_n(message->hardware, sizeof hardware.bytes, hardware.bytes);
    if (hardware.is_group() || hardware == MacAddress{} || hardware != from)
        return std::nullopt;
    Wishes const wishes = read_options(request.subspan(sizeof(Message)));
    if (wishes.server && *wishes.server != neighbours_.service())
        return std::nullopt;                          // it chose another server
    Ipv4Address const client{message->client};

    Kind kind = Kind::none;
    Ipv4Address yours{};
    switch (wishes.kind) {
    case Kind::discover:
        kind = Kind::offer;
        yours = neighbours_.lease(hardware, now);
        break;
    case Kind::request: {
        // RFC 2131, "DHCPREQUEST generated during ...": the wanted address is an option before, and `client` after it was given.
        Ipv4Address const wanted = wishes.requested.value_or(client);
        yours = neighbours_.lease(hardware, now);
        kind = wanted == yours ? Kind::acknowledge : Kind::refuse;
        break;
    }
    case Kind::inform:
        if (client == Ipv4Address{})
            return std::nullopt;
        kind = Kind::acknowledge;
        break;
    default:
        return std::nullopt;                          // a release and a refusal change nothing here
    }
    counters_.ignored--;
    (kind == Kind::offer ? counters_.offers : kind == Kind::acknowledge ? counters_.acknowledged : counters_.refused)++;

    std::fill(reply.begin(), reply.end(), u8{0});
    Message out{};
    out.operation = reply_operation;
    out.hardware_type = ethernet_type;
    out.hardware_bytes = 6;
    out.transaction = message->transaction;
    out.flags = message->flags;
    out.client = kind == Kind::acknowledge ? message->client : Big32{};
    std::copy_n(message->hardware, sizeof out.hardware, out.hardware);
    out.cookie = magic_cookie;
    if (kind != Kind::refuse) {
        out.yours = yours.value;
        out.server = neighbours_.service().value;
    }
    write_header(reply, 0, out);

    Options options{reply.subspan(sizeof(Message))};
    options.put(Option::kind, kind);
    options.put(Option::server, neighbours_.service());
    if (kind != Kind::refuse) {
        if (yours != Ipv4Address{}) {
            options.put(Option::lease, lease_seconds);
            options.put(Option::renewal, lease_seconds / 2);
            options.put(Option::rebinding, lease_seconds / 8 * 7);
        }
        options.put(Option::mask, neighbours_.subnet().mask());
        options.put(Option::name_server, neighbours_.service());
        if (routes_)
            options.put(Option::router, neighbours_.service());
        if (Neighbour const* known = neighbours_.find(hardware))
            options.put(Option::host_name, known->name);
        options.put(Option::domain, "kennel");
    }
    usize const size = std::max(sizeof(Message) + options.end(), smallest_reply);

    // RFC 2131, "Constructing and sending DHCP messages": a refusal goes to everybody, a client that has an address is sent to it.
    constexpr Ipv4Address all{~0u};
    if (kind == Kind::refuse)
        return DhcpAnswer{size, everybody, all};
    if (client != Ipv4Address{} && neighbours_.subnet().contains(client))
        return DhcpAnswer{size, hardware, client};
    if (message->flags & broadcast_flag)
        return DhcpAnswer{size, everybody, all};
    return DhcpAnswer{size, hardware, yours};
}

} // namespace kennel::service::net
