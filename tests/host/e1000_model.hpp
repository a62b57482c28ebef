// SPDX-License-Identifier: Apache-2.0
//
// An 82540EM for tests, by its manual: registers, an EEPROM, and rings that it reaches by address. It moves what it is told to at
// once, and can be told to be broken.
#pragma once
#include "drivers/net/e1000.hpp"
#include "tests/host/service_fake.hpp"
#include <algorithm>
#include <deque>
#include <map>
#include <utility>
#include <vector>

namespace kennel::service::net::test {

class E1000Model : public fake::RegisterDevice {
public:
    static constexpr u64 base = 0xfebc'0000;

    std::map<u32, u32> registers;
    u16  eeprom[3] = {0x5452, 0x4b00, 0x4c4e};        // 52:54:00:4b:4e:4c
    bool link = true;
    bool answers_eeprom = true, ends_reset = true;
    bool holds_frames = false;                        // to the wire: they stay in the ring
    std::vector<std::vector<u8>> wire;                // what was sent
    u32  cause = 0, missed = 0;

    u32 read(u64 address) override
    {
        u32 const at = static_cast<u32>(address - base);
        switch (at) {
        case 0x0000: return registers[at] & (ends_reset ? ~(1u << 26) : ~0u);
        case 0x0008: return link ? 2 : 0;
        case 0x0014: {
            u32 const word = registers[at] >> 8 & 0xff;
            return answers_eeprom ? static_cast<u32>(word < 3 ? eeprom[word] : 0) << 16 | word << 8 | 1 << 4 : word << 8;
        }
        case 0x00c0: return std::exchange(cause, 0);
        case 0x4010: return std::exchange(missed, 0);
        case 0x00d0: return mask_;
        default:     return registers[at];
        }
    }
    void write(u64 address, u32 value) override
    {
        u32 const at = static_cast<u32>(address - base);
        if (at == 0x00d0)
            mask_ |= value;
        else if (at == 0x00d8)
            mask_ &= ~value;
        else
            registers[at] = value;
        if (at == 0x3818 && !holds_frames)
            transmit();
    }
    bool rings() const { return cause & mask_; }

    // What the driver told to send.
    void transmit()
    {
        u32 const count = registers[0x3808] / 16;
        if (!(registers[0x0400] & 2) || !count)
            return;
        auto* const ring = memory<E1000::TransmitDescriptor>(0x3800);
        for (u32& head = registers[0x3810]; head != registers[0x3818]; head = (head + 1) % count) {
            E1000::TransmitDescriptor& descriptor = ring[head];
            auto const* const from = reinterpret_cast<u8 const*>(descriptor.buffer);
            wire.emplace_back(from, from + descriptor.length);
            if (descriptor.command & 8)
                descriptor.status |= 1;
        }
    }
    // A frame from the wire. False: lost.
    bool arrive(std::vector<u8> const& frame, u8 status = 3, u8 errors = 0)
    {
        u32 const count = registers[0x2808] / 16;
        u32& head = registers[0x2810];
        if (!(registers[0x0100] & 2) || head == registers[0x2818]) {
            cause |= 1 << 6;
            missed++;
            return false;
        }
        E1000::ReceiveDescriptor& descriptor = memory<E1000::ReceiveDescriptor>(0x2800)[head];
        std::copy_n(frame.begin(), std::min<usize>(frame.size(), E1000::buffer_bytes), reinterpret_cast<u8*>(descriptor.buffer));
        descriptor.length = static_cast<u16>(frame.size());
        descriptor.errors = errors;
        descriptor.status = status;
        head = (head + 1) % count;
        cause |= 1 << 7;
        return true;
    }
    void set_link(bool up)
    {
        link = up;
        cause |= 1 << 2;
    }

private:
    template<class T> T* memory(u32 low) { return reinterpret_cast<T*>(static_cast<u64>(registers[low + 4]) << 32 | registers[low]); }

    u32 mask_ = 0;
};

} // namespace kennel::service::net::test
