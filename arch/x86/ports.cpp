// SPDX-License-Identifier: Apache-2.0
//
// Ports without exits, for the service that owns the machine's devices: its VMCSs, made after this, share two bitmap pages of their own.
// hv's log port, and the interrupt controllers, are never among them. SDM, "I/O-Bitmap Addresses".
#include "arch/x86/vmx.hpp"

namespace kennel::arch {

namespace {

bool is_held(Machine const& machine, u32 port)
{
    bool const is_8259 = (port & ~0x81u) == 0x20;          // 20h, 21h, A0h, A1h: they stay masked
    u32 const log = machine.boot->log_port;
    return is_8259 || (log && !machine.boot->log_until_service && port >= log && port < log + 8);
}

} // namespace

void open_ports(Partition& partition)
{
    void* low = partition.pool.allocate();
    void* high = partition.pool.allocate();
    if (!low || !high)
        return;                                // every port keeps exiting: reads all ones
    partition.space.ports[0] = static_cast<u8*>(low);
    partition.space.ports[1] = static_cast<u8*>(high);
    for (u32 port = 0; port < 0x10000; port++)
        if (is_held(*partition.machine, port))
            partition.space.ports[port >> 15][(port & 0x7fff) / 8] |= static_cast<u8>(1u << (port % 8));
}

} // namespace kennel::arch
