// SPDX-License-Identifier: Apache-2.0
//
// See dns_message.hpp.
#include "drivers/net/dns_message.hpp"

namespace kennel::service::net::dns {

namespace {

constexpr usize most_name_bytes = 255;
constexpr u16   name_in_question = 0xc000 | sizeof(Header);

} // namespace

bool same(std::string_view a, std::string_view b)
{
    if (a.size() != b.size())
        return false;
    for (usize i = 0; i < a.size(); i++)
        if (lower(a[i]) != lower(b[i]))
            return false;
    return true;
}

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
        if (question.count < Question::most_labels)
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

void Reply::begin(Header const& asked, std::span<u8 const> question)
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

void Reply::record(Type type, std::span<u8 const> data)
{
    put16(name_in_question);
    put_fixed(type, data.size());
    put(data);
    header_.answers = static_cast<u16>(header_.answers + 1);
}

void Reply::nothing_there()
{
    u8 const root[] = {0};
    u8 data[2 + 20] = {0, 0};                         // both names are the root
    std::span<u8> const numbers{data};
    u32 const values[] = {1, 3600, 600, 86400, ttl};
    for (usize i = 0; i < 5; i++)
        write_header(numbers, 2 + 4 * i, Big32{values[i]});
    put(root);
    put_fixed(Type::soa, sizeof data);
    put(data);
    header_.authorities = 1;
}

usize Reply::finish()
{
    write_header(bytes_, 0, header_);
    return at_;
}

void Reply::put(std::span<u8 const> data)
{
    if (data.size() > bytes_.size() - at_)
        return;
    std::memcpy(bytes_.data() + at_, data.data(), data.size());
    at_ += data.size();
}

void Reply::put16(u16 value)
{
    Big16 const big{value};
    put(big.bytes);
}

void Reply::put_fixed(Type type, usize size)
{
    Big32 const lifetime{ttl};
    put16(static_cast<u16>(type));
    put16(internet);
    put(lifetime.bytes);
    put16(static_cast<u16>(size));
}

} // namespace kennel::service::net::dns
