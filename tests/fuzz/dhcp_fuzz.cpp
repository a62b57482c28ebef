// SPDX-License-Identifier: Apache-2.0
//
// Messages to the DHCP server: a row of them, mostly with a right fixed part and any options. A guest's address is never given
// to anybody else, and no answer is longer than it says.
#include "drivers/net/dhcp.hpp"
#include "tests/fuzz/input.hpp"
#include <array>
#include <vector>

using namespace kennel;
using namespace kennel::service::net;

int LLVMFuzzerTestOneInput(unsigned char const* data, size_t size)
{
    fuzz::Input input{data, size};
    Neighbours neighbours{{Ipv4Address::of(10, 78, 0, 0), 24}};
    MacAddress const one = MacAddress::from(0x5254'0000'0001);
    neighbours.add(one, "one");
    DhcpServer server{neighbours, input.take<u8>() % 2 != 0};
    u64 now = 0;
    while (!input.empty()) {
        u8 const shape = input.take<u8>();
        auto const part = input.bytes(input.take<u16>() % 700);
        std::vector<u8> message(part.begin(), part.end());
        if (shape & 1) {
            message.insert(message.begin(), 240, 0);
            message[0] = message[1] = 1;
            message[2] = 6;
            message[33] = shape & 2 ? 1 : input.take<u8>();
            message[28] = 0x52;
            message[29] = 0x54;
            for (usize i = 0; i < 4; i++)
                message[236 + i] = static_cast<u8>(0x6382'5363 >> (24 - 8 * i));
            for (usize at = 12; shape & 4 && at < 16; at++)
                message[at] = input.take<u8>();
        }
        std::array<u8, DhcpServer::reply_bytes> reply;
        MacAddress from = one;
        if (shape & 8 && message.size() >= 34)
            std::copy_n(message.begin() + 28, 6, from.bytes);
        auto const answer = server.answer(from, message, reply, ++now);
        if (!answer)
            continue;
        fuzz::demand(std::equal(from.bytes, from.bytes + 6, message.begin() + 28));
        fuzz::demand(answer->size <= reply.size() && answer->size >= 300);
        Ipv4Address const yours{static_cast<u32>(reply[16]) << 24 | static_cast<u32>(reply[17]) << 16 | static_cast<u32>(reply[18]) << 8 | reply[19]};
        bool const is_one = std::equal(one.bytes, one.bytes + 6, message.begin() + 28);
        if (yours != Ipv4Address{})
            fuzz::demand(neighbours.subnet().contains(yours) && (yours == neighbours.find(one)->address) == is_one);
    }
    return 0;
}
