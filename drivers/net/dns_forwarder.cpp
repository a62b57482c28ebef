// SPDX-License-Identifier: Apache-2.0
//
// See dns_forwarder.hpp.
#include "drivers/net/dns_forwarder.hpp"
#include <algorithm>

namespace kennel::service::net {

using namespace dns;

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
