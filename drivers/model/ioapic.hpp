// SPDX-License-Identifier: Apache-2.0
//
// A minimal I/O APIC: 24 inputs, rising edges only. It exists for the one device without MSI, the 16550.
// 82093AA data sheet, "I/O APIC Registers"; the message it sends is laid out in the SDM, "Message Address Register Format".
#pragma once
#include "drivers/model/interrupt_sink.hpp"
#include "hv/lib/field.hpp"

namespace kennel::service {

class IoApic {
public:
    static constexpr u64 address = 0xfec0'0000;
    static constexpr u64 size    = 0x1000;
    static constexpr u32 inputs  = 24;

    explicit IoApic(InterruptSink& sink) : sink_{sink} { reset(); }

    void reset();
    u32  read(u32 offset) const;                     // offset into the register page
    void write(u32 offset, u32 value);
    void set_input(u32 input, bool high);

private:
    // A redirection entry.
    struct Entry {
        using Vector      = Field<7, 0, u8>;
        using Delivery    = Field<10, 8, u8>;
        using Logical     = Field<11, 11, bool>;
        using Level       = Field<15, 15, bool>;
        using Masked      = Field<16, 16, bool>;
        using Destination = Field<63, 56, u8>;
        static constexpr u64 writable = 0xff00'0000'0001'afff;   // not delivery status (12) and remote IRR (14)
    };

    void deliver(u32 input);

    InterruptSink& sink_;
    u8   selected_ = 0;
    u8   id_ = 0;
    u32  high_ = 0;                                   // inputs that are high
    u32  latched_ = 0;                                // edges that came while the entry was masked: delivered when it is unmasked
    u64  entries_[inputs] = {};
};

} // namespace kennel::service
