// SPDX-License-Identifier: Apache-2.0
//
// Questions that another name server was asked for guests, and who is to hear the answers. Bounded: when it is full, the next one is
// refused, and each is given up after a while.
#pragma once
#include "drivers/net/dns_message.hpp"

namespace kennel::service::net {

// Where an answer goes. `network` is the caller's.
struct DnsClient {
    Ipv4Address address;
    u16         port = 0;
    u32         network = 0;

    bool operator==(DnsClient const&) const = default;
};

class DnsForwarder {
public:
    static constexpr u32 most = 64, most_per_client = 16;

    struct Waiting {
        DnsClient client;
        u16       own_id = 0, client_id = 0;
        u64       until = 0;                          // 0: free
        u8        question[96] = {};                  // to tell the answer to another question, and to answer by itself
        u8        question_bytes = 0;
    };

    // Changes the question's id; nothing: no room for it. `random`: hard to guess from outside.
    std::optional<u16> forward(std::span<u8> question, DnsClient client, u16 random, u64 now, u64 patience);
    // Upstream's answer: finds who asked, and changes the id back. Nothing: nobody asked that.
    std::optional<DnsClient> relay(std::span<u8> answer);
    // One that waited too long, no longer waiting; `question` becomes what it asked. Nothing: none.
    std::optional<DnsClient> expired(u64 now, std::span<u8, dns_message_bytes> question, usize& size);

    u32 waiting() const { return count_; }
    u64 next_deadline() const;                        // ~0: none

private:
    Waiting waiting_[most];
    u32     count_ = 0;
};

} // namespace kennel::service::net
