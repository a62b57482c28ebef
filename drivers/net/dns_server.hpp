// SPDX-License-Identifier: Apache-2.0
//
// The name server of a network that the service runs itself (RFC 1035): answers for the guests' names and addresses, answers
// at once for the zones that nobody outside can know (RFC 6303), and hands everything else on, when there is somebody to hand
// it to. Every question that can be read at all gets an answer, if only that none can be had: a client that hears nothing
// waits for seconds.
#pragma once
#include "drivers/net/dns_message.hpp"
#include "drivers/net/neighbours.hpp"

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

} // namespace kennel::service::net
