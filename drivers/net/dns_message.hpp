// SPDX-License-Identifier: Apache-2.0
//
// A message of the DNS (RFC 1035): the question in it, read, and a reply to it, made. The server and the forwarder of questions
// know no other format.
#pragma once
#include "drivers/net/headers.hpp"
#include <string_view>

namespace kennel::service::net {

inline constexpr u16   dns_port = 53;
inline constexpr usize dns_message_bytes = 512;       // RFC 1035, "UDP usage"
inline constexpr usize dns_forward_bytes = 1232;      // with EDNS, what common resolvers limit themselves to

namespace dns {

// RFC 1035, "Header section format".
struct Header { Big16 id, flags, questions, answers, authorities, additional; };
static_assert(sizeof(Header) == 12);

inline constexpr u16 response = 0x8000, operation_bits = 0x7800, authoritative = 0x0400, recursion_desired = 0x0100, recursion_available = 0x0080;
enum class Outcome : u16 { ok = 0, format_error = 1, failed = 2, no_such_name = 3, not_implemented = 4 };
enum class Type : u16 { a = 1, soa = 6, ptr = 12, aaaa = 28, any = 255 };
inline constexpr u16 internet = 1;
inline constexpr u32 ttl = 60;                        // seconds; names and addresses are fixed, but the machine may be set up anew

constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
// Names, whatever their case.
bool same(std::string_view a, std::string_view b);

struct Question {
    static constexpr usize most_labels = 34;          // of an IPv6 reverse name: 32 nibbles and ip6.arpa

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

// Nothing: it cannot be read. `message` has a header.
std::optional<Question> read_question(std::span<u8 const> message);

// The reply under construction; what does not fit is left out.
class Reply {
public:
    explicit Reply(std::span<u8, dns_message_bytes> bytes) : bytes_{bytes} {}

    // `question`: as it was asked; empty: none that can be read.
    void begin(Header const& asked, std::span<u8 const> question);
    void outcome(Outcome outcome) { header_.flags = static_cast<u16>((header_.flags & 0xfff0) | static_cast<u16>(outcome)); }
    void is_authoritative() { header_.flags = static_cast<u16>(header_.flags | authoritative); }
    // About the name in question.
    void record(Type type, std::span<u8 const> data);
    // RFC 2308: how long it may be remembered that there is nothing.
    void nothing_there();
    // -> bytes of it
    usize finish();

private:
    void put(std::span<u8 const> data);
    void put16(u16 value);
    void put_fixed(Type type, usize size);

    std::span<u8, dns_message_bytes> bytes_;
    Header header_;
    usize  at_ = 0;
};

} // namespace dns
} // namespace kennel::service::net
