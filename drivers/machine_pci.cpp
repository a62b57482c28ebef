// SPDX-License-Identifier: Apache-2.0
//
// See machine_pci.hpp.
#include "drivers/machine_pci.hpp"
#include "drivers/instructions.hpp"

namespace kennel::service {

namespace {

constexpr u16 address_port = 0xcf8, data_port = 0xcfc;

u32 address(MachinePci::Function const& function, u8 at)
{
    return 0x8000'0000u | static_cast<u32>(function.bus) << 16 | static_cast<u32>(function.device) << 11 | static_cast<u32>(function.function) << 8 | (at & 0xfcu);
}

} // namespace

// Only vCPU 0 of the service that owns the devices comes here, so nobody changes the address in between.
u32 MachinePci::read(Function const& function, u8 at) const
{
    write_port32(address_port, address(function, at));
    return read_port32(data_port);
}

void MachinePci::write(Function const& function, u8 at, u32 value) const
{
    write_port32(address_port, address(function, at));
    write_port32(data_port, value);
}

void MachinePci::enable(Function const& function, u32 commands) const
{
    // The upper half is the status register: writing zeroes changes nothing there.
    write(function, command_status, (read(function, command_status) & 0xffff) | commands);
}

std::optional<MachinePci::Function> MachinePci::look(u8 bus, u8 device, u8 function) const
{
    Function found{.bus = bus, .device = device, .function = function, .vendor = 0, .product = 0, .base_class = 0, .sub_class = 0, .interface = 0};
    u32 const id = read(found, identity);
    if ((id & 0xffff) == 0xffff)
        return std::nullopt;
    u32 const kind = read(found, class_revision);
    found.vendor = static_cast<u16>(id);
    found.product = static_cast<u16>(id >> 16);
    found.base_class = static_cast<u8>(kind >> 24);
    found.sub_class = static_cast<u8>(kind >> 16);
    found.interface = static_cast<u8>(kind >> 8);
    return found;
}

} // namespace kennel::service
