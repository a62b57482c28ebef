// SPDX-License-Identifier: Apache-2.0
//
// Questions and answers of any kind at the DNS server and its forwarder: whatever can be read is answered or handed on, no
// answer is longer than it may be, and what waits upstream is bounded and comes back once.
#include "drivers/net/dns_forwarder.hpp"
#include "drivers/net/dns_server.hpp"
#include "tests/fuzz/input.hpp"
#include <array>
#include <memory>
#include <vector>

using namespace kennel;
using namespace kennel::service::net;

namespace {

void put_name(std::vector<u8>& to, fuzz::Input& input)
{
    static constexpr std::string_view labels[] = {"in-addr", "arpa", "ip6", "10", "168", "192", "172", "16", "one", "kennel", "localhost", "f", "e", "8", "0", "1"};
    for (u32 count = input.take<u8>() % 36; count; count--) {
        std::string_view const label = labels[input.take<u8>() % std::size(labels)];
        to.push_back(static_cast<u8>(label.size()));
        to.insert(to.end(), label.begin(), label.end());
    }
    to.push_back(0);
}

} // namespace

int LLVMFuzzerTestOneInput(unsigned char const* data, size_t size)
{
    fuzz::Input input{data, size};
    Neighbours neighbours{{Ipv4Address::of(10, 78, 0, 0), 24}};
    neighbours.add(MacAddress::from(0x5254'0000'0001), "one");
    neighbours.add(MacAddress::from(0x5254'0000'0002), "a-name-that-is-as-long-as-can-be");
    DnsServer server;
    auto const forwarder = std::make_unique<DnsForwarder>();
    u64 now = 1, waiting = 0;
    while (!input.empty()) {
        u8 const shape = input.take<u8>();
        std::vector<u8> message;
        if (shape & 1) {
            for (u32 i = 0; i < 12; i++)
                message.push_back(i == 5 ? 1 : shape & 2 ? input.take<u8>() : 0);
            put_name(message, input);
            for (u8 const byte : {u8{0}, static_cast<u8>(shape & 4 ? 12 : 1), u8{0}, u8{1}})
                message.push_back(byte);
        }
        auto const more = input.bytes(input.take<u8>());
        message.insert(message.end(), more.begin(), more.end());

        std::array<u8, dns_message_bytes> reply;
        if (shape & 8) {
            waiting -= forwarder->relay(message).has_value();
        } else if (shape & 16) {
            usize bytes = 0;
            if (forwarder->expired(now, reply, bytes)) {
                waiting--;
                std::array<u8, dns_message_bytes> failure;
                fuzz::demand(server.fail(std::span{reply}.first(bytes), failure) != 0);
                server.counters().questions++;         // counted when it was asked; this harness asks the forwarder directly as well
            }
        } else {
            auto const result = server.answer(neighbours, message, reply);
            fuzz::demand(result.size <= reply.size());
            fuzz::demand((result.verdict == DnsServer::Verdict::answer) == (result.size >= 12));
            if (result.verdict == DnsServer::Verdict::forward) {
                if (forwarder->forward(message, {{input.take<u8>()}, 1, 0}, input.take<u16>(), now, input.take<u8>() + 1u))
                    waiting++;
                else
                    server.fail(message, reply);
            }
        }
        fuzz::demand(forwarder->waiting() == waiting && waiting <= DnsForwarder::most);
        now += input.take<u8>();
    }
    return 0;
}
