// SPDX-License-Identifier: Apache-2.0
//
// A machine on the wire of an emulated network card, without being one: each datagram from the emulator is a frame that the card
// sent, each to it one that the card receives (Bochs 3.0, `ethmod=socket`; it takes frames only that are for the card's own
// address or for everybody). It hands out addresses, answers ARP and echo, and asks whoever it hears for an echo.
//   wire PORT CARD [flood]    the emulator's port of 127.0.0.1 and ours behind it; the card's hardware address
// Says `asked=MAC` for an echo request, `answered=MAC` for an echo reply; until it is ended. With `flood`, who has got an address is
// asked for large echoes without end.
#include "drivers/net/checksum.hpp"
#include "drivers/net/dhcp.hpp"
#include "drivers/net/headers.hpp"
#include <arpa/inet.h>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <netinet/in.h>
#include <poll.h>
#include <string_view>
#include <sys/socket.h>
#include <vector>

namespace {

using namespace kennel;
using namespace kennel::service::net;

using Bytes = std::vector<u8>;

constexpr MacAddress own = MacAddress::from(0x0257'4952'4500);
constexpr u32 network = 0xc0a8'4d00, ip_at = sizeof(EthernetHeader);

void put(Bytes& bytes, auto const& header)
{
    auto const* const begin = reinterpret_cast<u8 const*>(&header);
    bytes.insert(bytes.end(), begin, begin + sizeof header);
}

class Wire {
public:
    Wire(u16 port, MacAddress card, bool floods) : card_{card}, floods_{floods}
    {
        socket_ = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        auto const ours = loopback(static_cast<u16>(port + 1)), theirs = loopback(port);
        if (bind(socket_, reinterpret_cast<sockaddr const*>(&ours), sizeof ours) != 0 || connect(socket_, reinterpret_cast<sockaddr const*>(&theirs), sizeof theirs) != 0)
            std::perror("wire"), std::exit(1);
    }

    [[noreturn]] void run()
    {
        std::puts("listening=yes");
        for (std::array<u8, 2048> frame;;) {
            if (floods_ && dhcp_.counters().acknowledged)
                flood();
            ssize_t const size = recv(socket_, frame.data(), frame.size(), 0);   // an error: the emulator is not there yet
            if (size > 0)
                take({frame.data(), static_cast<usize>(size)});
        }
    }

private:
    static sockaddr_in loopback(u16 port)
    {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return address;
    }

    // Far more than the emulator takes before somebody answers; what it has no room for is lost.
    void flood()
    {
        static Bytes const frame = frame_of(card_, leased_, Protocol::icmp, echo_of(IcmpHeader::echo, {}, Bytes(1400)));
        for (pollfd waited{socket_, POLLIN, 0}; poll(&waited, 1, 1) == 0;)
            for (u32 i = 0; i < 64; i++)
                send(frame);
    }

    void take(std::span<u8 const> frame)
    {
        auto const ethernet = read_header<EthernetHeader>(frame);
        if (!ethernet || (ethernet->destination != own && !ethernet->destination.is_broadcast()))
            return;
        if (ethernet->type == static_cast<u16>(EtherType::arp))
            answer_arp(frame, ethernet->source);
        else if (auto const packet = ethernet->type == static_cast<u16>(EtherType::ipv4) ? read_ipv4(frame.subspan(ip_at), frame.size() - ip_at) : std::nullopt)
            take(*packet, frame.subspan(ip_at + packet->header_bytes, packet->payload_bytes()), ethernet->source);
    }

    void take(Ipv4Packet const& packet, std::span<u8 const> payload, MacAddress from)
    {
        if (packet.protocol == static_cast<u8>(Protocol::icmp)) {
            auto icmp = read_header<IcmpHeader>(payload);
            if (!icmp || packet.destination != neighbours_.service() || folded(sum_of(payload)) != 0xffff)
                return;
            if (icmp->type == IcmpHeader::echo) {
                say("asked", from);
                auto const data = payload.subspan(sizeof *icmp);
                send(frame_of(from, packet.source, Protocol::icmp, echo_of(IcmpHeader::echo_reply, *icmp, data)));
                send(frame_of(from, packet.source, Protocol::icmp, echo_of(IcmpHeader::echo, {.type = 0, .code = 0, .checksum = 0, .identifier = 77, .sequence = ++asked_}, data)));
            } else if (icmp->type == IcmpHeader::echo_reply && icmp->identifier == 77) {
                say("answered", from);
            }
        } else if (auto const udp = read_header<UdpHeader>(payload); packet.protocol == static_cast<u8>(Protocol::udp) && udp && udp->destination == DhcpServer::server_port) {
            std::array<u8, DhcpServer::reply_bytes> reply;
            auto const answer = dhcp_.answer(from, payload.subspan(sizeof *udp), reply, ++now_);
            if (!answer)
                return;
            Bytes datagram;
            put(datagram, UdpHeader{DhcpServer::server_port, DhcpServer::client_port, static_cast<u16>(sizeof(UdpHeader) + answer->size), 0});
            datagram.insert(datagram.end(), reply.begin(), reply.begin() + static_cast<ptrdiff_t>(answer->size));
            leased_ = answer->address;
            send(frame_of(from, answer->address, Protocol::udp, datagram));
        }
    }

    // RFC 826: the question turned round.
    void answer_arp(std::span<u8 const> frame, MacAddress from)
    {
        constexpr usize operation = 20, sender = 22, target = 32, sender_address = 28, target_address = 38, end = 42;
        if (frame.size() < end || read_header<Big16>(frame, operation).value() != 1 || read_header<Big32>(frame, target_address).value() != neighbours_.service().value)
            return;
        Bytes answer{frame.begin(), frame.begin() + end};
        write_header(answer, 0, EthernetHeader{reachable(from), own, static_cast<u16>(EtherType::arp)});
        write_header(answer, operation, Big16{2});
        write_header(answer, target, from);
        write_header(answer, target_address, *read_header<Big32>(frame, sender_address));
        write_header(answer, sender, own);
        write_header(answer, sender_address, Big32{neighbours_.service().value});
        send(answer);
    }

    static Bytes echo_of(u8 type, IcmpHeader header, std::span<u8 const> data)
    {
        header.type = type;
        header.checksum = 0;
        Bytes message;
        put(message, header);
        message.insert(message.end(), data.begin(), data.end());
        header.checksum = field_of(sum_of(message));
        write_header(message, 0, header);
        return message;
    }

    Bytes frame_of(MacAddress to, Ipv4Address address, Protocol protocol, Bytes const& payload) const
    {
        Ipv4Header ip{0x45, 0, static_cast<u16>(sizeof ip + payload.size()), 0, 0, 64, static_cast<u8>(protocol), 0, neighbours_.service().value, address.value};
        Bytes bytes;
        put(bytes, ip);
        ip.checksum = field_of(sum_of(bytes));
        bytes.clear();
        put(bytes, EthernetHeader{reachable(to), own, static_cast<u16>(EtherType::ipv4)});
        put(bytes, ip);
        bytes.insert(bytes.end(), payload.begin(), payload.end());
        return bytes;
    }

    void send(Bytes const& frame) { static_cast<void>(::send(socket_, frame.data(), frame.size(), 0)); }

    // What the emulator lets through.
    MacAddress reachable(MacAddress to) const { return to == card_ ? to : everybody; }

    void say(char const* what, MacAddress who)
    {
        std::printf("%s=%012llx\n", what, static_cast<unsigned long long>(who.number()));
    }

    MacAddress  card_;
    bool        floods_;
    Ipv4Address leased_;                              // of who asked last
    int         socket_ = -1;
    Neighbours  neighbours_{{Ipv4Address{network}, 24}};
    DhcpServer  dhcp_{neighbours_, false};
    u64         now_ = 0;
    u16         asked_ = 0;
};

} // namespace

int main(int count, char** words)
{
    bool const floods = count == 4 && words[3] == std::string_view{"flood"};
    if (count != 3 && !floods)
        return std::fputs("usage: wire PORT CARD [flood]\n", stderr), 2;
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    Wire{static_cast<u16>(std::strtoul(words[1], nullptr, 10)), MacAddress::from(std::strtoull(words[2], nullptr, 16)), floods}.run();
}
