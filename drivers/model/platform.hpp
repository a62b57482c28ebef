// SPDX-License-Identifier: Apache-2.0
//
// What one guest finds beside its processor and its RAM: every port and address of it, and which model answers there.
// Nothing here knows hv or other guests; the guest's home vCPU is the only one that calls.
#pragma once
#include "drivers/model/ioapic.hpp"
#include "drivers/model/kvm_clock.hpp"
#include "drivers/model/pci.hpp"
#include "drivers/model/power.hpp"
#include "drivers/model/pvpanic.hpp"
#include "drivers/model/uart16550.hpp"
#include "drivers/virtio/devices.hpp"

namespace kennel::service {

// Something a guest's access brought about that ends its run.
enum class Happening : u8 { none, power_off, reset, panic };

class Platform {
public:
    Platform(ByteRing& output, ByteRing& input) : io_apic{interrupts}, uart{io_apic, output, input} {}

    // As after power-on: devices present, BARs assigned.
    void reset(u64 partition, GuestMemory const& memory);

    u32  read_port(u16 port, u32 size);
    void write_port(u16 port, u32 size, u32 value);

    // Addresses outside RAM; size 1, 2, 4 or 8. Where nobody answers: ones, and writes vanish.
    u64  read_memory(u64 address, u32 size);
    void write_memory(u64 address, u32 size, u64 value);

    Happening take_happening()
    {
        Happening const last = happening_;
        happening_ = Happening::none;
        return last;
    }

    InterruptSink interrupts;
    IoApic    io_apic;
    Uart16550 uart;
    PciHost   pci;
    KvmClock  clock;
    VirtioDevices virtio;
    u64       unclaimed = 0;                          // accesses nobody answered

private:
    static constexpr u32 host_bridge = 0, panic_device = 1;

    Happening happening_ = Happening::none;
};

} // namespace kennel::service
