// SPDX-License-Identifier: Apache-2.0
//
// Asks for more with one kick than a turn is worth, of a card and of a disk, then waits for it, as often as it can: what its devices
// leave over when they give way is done by the clock, on nobody's turn.
#include "tests/machine/guest/net.hpp"
#include "tests/machine/guest/verdict.hpp"

namespace kennel::guest {

constinit char const* const title = "hostile waiter: a ring of echoes for the service and megabytes of a disk with one kick each, again and again";

namespace {

constexpr u64 run_ticks = 100'000'000;
constexpr u32 network = 0, ip = sizeof(net::EthernetHeader), message = ip + sizeof(net::Ipv4Header), bytes = 1514;
constexpr u16 size = 256, reads = 8;

NetDriver<size> card;
BlockDriver<size> disk;
alignas(16) u8 frame[bytes];
alignas(4096) u8 data[256 * 1024];

// RFC 792, "Echo or Echo Reply Message": one of zeroes.
void prepare_echo()
{
    net::Ipv4Header header{0x45, 0, bytes - ip, 1, 0, 64, static_cast<u8>(net::Protocol::icmp), 0, subnet_of(network) | 200, subnet_of(network) | 1};
    net::write_header(frame, 0, net::EthernetHeader{service_on(network), card.address(), static_cast<u16>(net::EtherType::ipv4)});
    net::write_header(frame, ip, header);
    header.checksum = checksum(frame + ip, sizeof header);
    net::write_header(frame, ip, header);
    frame[message] = 8;
    net::write_header(frame, message + 2u, net::Big16{checksum(frame + message, bytes - message)});
}

} // namespace

void check(Verdict& verdict)
{
    verdict.that("there is a card", card.find() && card.begin());
    verdict.that("there is a disk", disk.find() && disk.begin());
    prepare_echo();
    disk.prepare(BlockType::read, 0, data, sizeof data);
    u64 const begin = rdtsc();
    do {
        for (u16 i = 0; i < reads; i++)
            disk.ring.offer(0);
        disk.device.kick();
        verdict.that("all echoes are taken", card.send(frame, bytes, size));
        verdict.that("all reads come back", disk.await(reads));
    } while (rdtsc() - begin < run_ticks);
    verdict.equal("the last read", disk.status, disk.ok);
}

} // namespace kennel::guest
