// SPDX-License-Identifier: Apache-2.0
//
// The PCI of the machine itself, reached through ports 0xCF8 and 0xCFC: how the service that owns the devices finds them, at
// run time. (A guest's PCI is model/pci.hpp.) PCI Local Bus Specification 3.0, "Software Generation of Configuration Transactions".
#pragma once
#include "hv/lib/types.hpp"
#include <optional>

namespace kennel::service {

class MachinePci {
public:
    struct Function {
        u8 bus, device, function;
        u16 vendor, product;
        u8 base_class, sub_class, interface;
    };

    // Standard header, "Configuration Space Organization".
    enum Register : u8 { identity = 0x00, command_status = 0x04, class_revision = 0x08, header = 0x0c, first_bar = 0x10, bridge_buses = 0x18, capabilities = 0x34, interrupt = 0x3c };
    enum Command : u32 { io_space = 1, memory_space = 2, bus_master = 4, no_intx = 1u << 10 };

    u32  read(Function const& function, u8 at) const;          // `at`: a multiple of 4
    void write(Function const& function, u8 at, u32 value) const;
    void enable(Function const& function, u32 commands) const; // Command bits, beside what is set already

    // Calls `visit` for each function there is, behind bridges too, until it returns true.
    template<class Visit> void find(Visit&& visit) const
    {
        u8  buses[256] = {0};                          // to be looked at; each at most once
        bool known[256] = {true};
        for (u32 next = 0, count = 1; next < count; next++)
            for (u32 slot = 0; slot < 256; slot++) {
                auto const found = look(buses[next], static_cast<u8>(slot >> 3), static_cast<u8>(slot & 7));
                if (!found) {
                    if ((slot & 7) == 0)
                        slot |= 7;                     // no function 0: no device
                    continue;
                }
                if (visit(*found))
                    return;
                u32 const type = read(*found, header) >> 16;
                if ((type & 0x7f) == 1)
                    if (u8 const behind = static_cast<u8>(read(*found, bridge_buses) >> 8); !known[behind]) {
                        known[behind] = true;
                        buses[count++] = behind;
                    }
                if ((slot & 7) == 0 && !(type & 0x80))
                    slot |= 7;                         // one function only
            }
    }

private:
    std::optional<Function> look(u8 bus, u8 device, u8 function) const;
};

} // namespace kennel::service
