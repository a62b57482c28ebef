// SPDX-License-Identifier: Apache-2.0
//
// See platform.hpp.
#include "drivers/model/platform.hpp"

namespace kennel::service {

namespace {

constexpr u64 ones(u32 size) { return size >= 8 ? ~0ull : (1ull << 8 * size) - 1; }
constexpr u32 panic_bar_size = 0x1000;                // a page, so that nothing else can share it

} // namespace

void Platform::reset(u64 partition, GuestMemory const& memory)
{
    interrupts.attach(partition);
    happening_ = Happening::none;
    unclaimed = 0;
    io_apic.reset();
    uart.reset();
    pci.reset();
    pci.device(host_bridge) = PciFunction{{0x1b36, 0x0008, 0x06'00'00}};
    pci.device(panic_device) = PciFunction{{PvPanic::vendor, PvPanic::device, 0x08'80'00}};
    pci.device(panic_device).add_memory_bar(0, PciHost::window_base, panic_bar_size);
    virtio.power_on(pci, memory, interrupts);
}

u32 Platform::read_port(u16 port, u32 size)
{
    if (u32 const offset = port - Uart16550::port; offset < Uart16550::ports) [[likely]]
        return uart.read(static_cast<u16>(offset)) | (size > 1 ? static_cast<u32>(ones(size)) & ~0xffu : 0);
    if (virtio.owns_port(port))
        return virtio.read_port(port, size);
    if (u32 const offset = port - PciHost::address_port; offset < 8)
        return pci.read_port(port, size);
    if (port - Power::port < Power::ports)
        return 0;
    unclaimed++;
    return static_cast<u32>(ones(size));
}

void Platform::write_port(u16 port, u32 size, u32 value)
{
    if (u32 const offset = port - Uart16550::port; offset < Uart16550::ports) [[likely]] {
        uart.write(static_cast<u16>(offset), static_cast<u8>(value));
        return;
    }
    if (virtio.owns_port(port)) {
        virtio.write_port(port, size, value);
        return;
    }
    PowerRequest const request = Power::write(port, value);
    if (request != PowerRequest::none)
        happening_ = request == PowerRequest::off ? Happening::power_off : Happening::reset;
    else if (u32 const offset = port - PciHost::address_port; offset < 8) {
        pci.write_port(port, size, value);
        virtio.configuration_written();
    } else
        unclaimed += port - Power::port >= Power::ports;
}

u64 Platform::read_memory(u64 address, u32 size)
{
    // Registers of these devices are 32 bits wide; a wider access gets its upper half as ones.
    u32 const width = size > 4 ? 4 : size;
    u64 const above = ones(size) & ~ones(width);
    if (u64 const offset = address - IoApic::address; offset < IoApic::size)
        return above | (io_apic.read(static_cast<u32>(offset)) & ones(width));
    if (u64 const offset = address - PciHost::ecam_base; offset < PciHost::ecam_size)
        return above | pci.read_ecam(offset, width);
    auto const hit = pci.find_memory(address);
    if (hit && hit->device == panic_device)
        return hit->offset == 0 ? PvPanic::read() : 0;
    if (hit && virtio.owns_slot(hit->device))
        return above | virtio.read_memory(hit->device, hit->offset, width);
    if (VirtioPmem const* const pmem = virtio.pmem_at(address))
        return pmem->area.read(address, size);
    unclaimed++;
    return ones(size);
}

void Platform::write_memory(u64 address, u32 size, u64 value)
{
    u32 const width = size > 4 ? 4 : size;
    if (u64 const offset = address - IoApic::address; offset < IoApic::size)
        io_apic.write(static_cast<u32>(offset), static_cast<u32>(value));
    else if (u64 const ecam = address - PciHost::ecam_base; ecam < PciHost::ecam_size) {
        pci.write_ecam(ecam, width, static_cast<u32>(value));
        virtio.configuration_written();
    } else if (auto const hit = pci.find_memory(address); hit && hit->device == panic_device)
        happening_ = hit->offset == 0 && PvPanic::is_panic(static_cast<u8>(value)) ? Happening::panic : happening_;
    else if (hit && virtio.owns_slot(hit->device))
        virtio.write_memory(hit->device, hit->offset, width, static_cast<u32>(value));
    else if (VirtioPmem* const pmem = virtio.pmem_at(address))
        pmem->drop_write();
    else
        unclaimed++;
}

} // namespace kennel::service
