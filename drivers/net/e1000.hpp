// SPDX-License-Identifier: Apache-2.0
//
// Intel's 82540EM as a port of a network: the machine's way to the wire. Frames to the wire are copied into buffers of ours, so that
// their sender's are free at once; frames from the wire lie in our buffers until they have crossed the bridge. What the device writes
// into a descriptor is checked as if a stranger had written it. Nobody ever waits for the device: a full ring drops.
// "PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual", 8254x.
#pragma once
#include "drivers/net/offload.hpp"
#include <string_view>

namespace kennel::service::net {

class E1000 {
public:
    static constexpr u16 vendor = 0x8086, product = 0x100e;

    // "Receive Descriptor", "Legacy Transmit Descriptor Format".
    struct ReceiveDescriptor { u64 buffer; u16 length, checksum; u8 status, errors; u16 special; };
    struct TransmitDescriptor { u64 buffer; u16 length; u8 checksum_offset, command, status, checksum_start; u16 special; };
    static_assert(sizeof(ReceiveDescriptor) == 16 && sizeof(TransmitDescriptor) == 16);

    static constexpr u32 ring = 128, buffer_bytes = 2048;

    // What the device reaches: physical memory of the service's, GPA = HPA.
    struct Memory {
        alignas(4096) TransmitDescriptor sending[ring];
        alignas(4096) ReceiveDescriptor  receiving[ring];
        alignas(4096) u8 to_wire[ring][buffer_bytes];
        alignas(4096) u8 from_wire[ring][buffer_bytes];
    };

    struct Counters { u64 sent = 0, received = 0, full = 0, malformed = 0, missed = 0, link_changes = 0; };

    // `everything`: take frames for others too, because guests share the wire. False: `why` says why not.
    bool open(u64 registers, Memory& memory, u64 tsc_hz, bool everything, std::string_view& why);

    MacAddress address() const { return address_; }
    bool link() const { return link_; }
    bool is_open() const { return memory_ != nullptr; }
    Counters const& counters() const { return counters_; }

    Delivery send(Frame const& frame);

    // Reads and clears why the device rang. True: the link came or went.
    bool interrupt();

    // take(Frame) for at most `most` frames that have come, or less: it says whether to go on. True: there may be more.
    template<class Take> bool receive(u32 most, Take&& take)
    {
        if (!memory_)
            return false;
        u32 done = 0;
        bool has_more = true;
        for (bool go_on = true; done < most && go_on; done++) {
            auto const bytes = next();
            if (!bytes) {
                has_more = false;
                break;
            }
            if (!bytes->empty()) {
                // The head is ours alone; the rest is read once, and the device has given its buffer up.
                u8 head[sizeof(EthernetHeader)];
                __builtin_memcpy(head, bytes->data(), sizeof head);
                Piece const rest{bytes->data() + sizeof head, static_cast<u32>(bytes->size() - sizeof head)};
                go_on = take(Frame{.head = head, .rest = {&rest, rest.size ? 1u : 0u}, .skip = 0, .size = static_cast<u32>(bytes->size()), .offload = {}});
            }
            give_back();
        }
        if (done)
            refill();
        return has_more;
    }

private:
    u32  read(u32 at) const;
    void write(u32 at, u32 value) const;
    std::optional<u16> read_eeprom(u32 word, u64 tsc_hz) const;
    std::optional<MacAddress> find_address(u64 tsc_hz) const;

    std::optional<std::span<u8>> next();              // an empty span: a frame that is dropped
    void give_back();
    void refill();

    u64        registers_ = 0;
    Memory*    memory_ = nullptr;
    MacAddress address_;
    bool       link_ = false;
    bool       spans_ = false;                        // inside a frame that fills more than one buffer
    u32        sending_ = 0;                          // the next descriptor to fill ...
    u32        receiving_ = 0;                        // ... and the next the device will fill
    Counters   counters_;
};

} // namespace kennel::service::net
