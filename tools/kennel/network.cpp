// SPDX-License-Identifier: Apache-2.0
//
// See network.hpp.
#include "tools/kennel/network.hpp"
#include "hv/lib/checksum.hpp"
#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace kennel::tool {

namespace {

// A whole number of `base`, and nothing else.
std::optional<u32> number(std::string_view text, int base, u32 least, u32 most)
{
    u32 value = 0;
    auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (text.empty() || error != std::errc{} || end != text.data() + text.size() || value < least || value > most)
        return std::nullopt;
    return value;
}

std::vector<std::string_view> split(std::string_view text)
{
    std::vector<std::string_view> parts;
    for (;;) {
        auto const colon = text.find(':');
        parts.push_back(text.substr(0, colon));
        if (colon == text.npos)
            return parts;
        text.remove_prefix(colon + 1);
    }
}

} // namespace

Or<abi::NetworkMode> parse_mode(std::string_view text)
{
    if (auto const found = std::ranges::find(mode_names, text); found != std::end(mode_names))
        return static_cast<abi::NetworkMode>(found - std::begin(mode_names));
    return bad_usage("a network's mode is isolated, nat or bridge, not {}", text);
}

Or<void> check_network_name(std::string_view text)
{
    bool const plain = std::ranges::all_of(text, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
    if (text.empty() || !plain || text.size() >= sizeof abi::ManifestNetwork::name)
        return bad_usage("network '{}': a name has 1 to {} characters: small letters, digits and '-'", text, sizeof abi::ManifestNetwork::name - 1);
    return {};
}

Or<ForwardPlan> parse_forward(std::string_view text)
{
    auto const parts = split(text);
    auto const port = parts.size() == 3 ? number(parts[1], 10, 1, 65535) : std::nullopt;
    auto const guest_port = parts.size() == 3 ? number(parts[2], 10, 1, 65535) : std::nullopt;
    if (!port || !guest_port || (parts[0] != "tcp" && parts[0] != "udp"))
        return bad_usage("'{}' is no forward: tcp:PORT:GUESTPORT or udp:PORT:GUESTPORT is wanted, with ports from 1 to 65535, such as tcp:2222:22", text);
    return ForwardPlan{parts[0] == "tcp" ? 6u : 17u, static_cast<u16>(*port), static_cast<u16>(*guest_port)};
}

Or<void> check_free(ForwardPlan const& forward)
{
    int const socket = ::socket(AF_INET, (forward.protocol == 6 ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0);
    int const yes = 1;
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);   // as the emulators do: a port that was in use a moment ago is free
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(forward.port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int const error = bind(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 ? 0 : errno;
    close(socket);
    if (error)
        return bad_usage("--forward={}:{}:{}: port {} of 127.0.0.1 cannot be had: {}", forward.protocol_name(), forward.port, forward.guest_port, forward.port, std::strerror(error));
    return {};
}

Or<std::array<u8, 6>> parse_hardware_address(std::string_view text)
{
    auto const parts = split(text);
    std::array<u8, 6> address{};
    bool good = parts.size() == address.size();
    for (usize i = 0; good && i < address.size(); i++) {
        auto const byte = parts[i].size() == 2 ? number(parts[i], 16, 0, 255) : std::nullopt;
        good = byte.has_value();
        address[i] = static_cast<u8>(byte.value_or(0));
    }
    if (!good || (address[0] & 1) || address == std::array<u8, 6>{})
        return bad_usage("{}: an address of a network card is wanted, such as 52:54:00:12:34:56, whose first byte is even", text);
    return address;
}

std::array<u8, 6> usual_address(std::string_view guest, u32 card)
{
    // 52:54 has the bit of locally administered addresses. The rest has to be the same at each start, and differ between guests.
    u32 const hash = crc32({reinterpret_cast<u8 const*>(guest.data()), guest.size()}) + card * 0x9e37'79b9u;
    return {0x52, 0x54, static_cast<u8>(hash >> 24), static_cast<u8>(hash >> 16), static_cast<u8>(hash >> 8), static_cast<u8>(hash)};
}

} // namespace kennel::tool
