// SPDX-License-Identifier: Apache-2.0
//
// The name server of a network that the service runs itself (RFC 1035): answers for the guests' names and addresses, answers
// at once for the zones that nobody outside can know (RFC 6303), and hands everything else on, when there is somebody to hand
// it to. Every question that can be read at all gets an answer, if only that none can be had: a client that hears nothing
// waits for seconds.
#pragma once
#include "drivers/net/neighbours.hpp"
#include <optional>

namespace kennel::service::net {

struct DnsCounters {
    u64 questions = 0;
    u64 answered = 0;          // by what is known here
    u64 forwarded = 0;         // upstream
    u64 relayed = 0;           // upstream's answers, handed back
    u64 failed = 0;            // told that there is no answer
    u64 malformed = 0;         // no question that can be read

    u64 unanswered(u64 waiting) const { return questions - answered - relayed - failed - waiting; }
};

// Where an answer goes. `network` is the caller's.
struct DnsClient {
    Ipv4Address address;
    u16         port = 0;
    u32         network = 0;

    bool operator==(DnsClient const&) const = default;
};

inline constexpr u16   dns_port = 53;
inline constexpr usize dns_message_bytes = 512;       // RFC 1035, "UDP usage"
inline constexpr usize dns_forward_bytes = 1232;      // with EDNS, what common resolvers limit themselves to

class DnsServer {
public:
    enum class Verdict : u8 { drop, answer, forward };
    struct Result { Verdict verdict = Verdict::drop; usize size = 0; };

    // What is known here goes to `reply`; `forward` means that somebody else has to be asked.
    Result answer(Neighbours const& neighbours, std::span<u8 const> question, std::span<u8, dns_message_bytes> reply);
    // "No answer can be had", to a question that was forwarded or could not be.
    usize fail(std::span<u8 const> question, std::span<u8, dns_message_bytes> reply);

    DnsCounters& counters() { return counters_; }

private:
    DnsCounters counters_;
};

// Questions that are upstream. Bounded: when it is full, the next one is refused, and each is given up after a while.
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
