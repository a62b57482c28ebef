// SPDX-License-Identifier: Apache-2.0
//
// See uplink.hpp.
#include "drivers/net/uplink.hpp"
#include "drivers/hypercalls.hpp"
#include "drivers/machine_pci.hpp"

namespace kennel::service::net {

bool Uplink::discover(Heap& heap, u64 tsc_hz, bool everything, Log& log)
{
    MachinePci const pci;
    std::optional<MachinePci::Function> found;
    pci.find([&](MachinePci::Function const& function) {
        bool const fits = function.vendor == E1000::vendor && function.product == E1000::product;
        if (fits)
            found = function;
        return fits;
    });
    if (!found) {
        log.line(Text{"uplink: this machine has no network card that is known (82540EM)"});
        return false;
    }
    // "Base Address Registers": bit 0 is that of I/O space; bits 2:1 say whether the next register has the upper half.
    u32 const low = pci.read(*found, MachinePci::first_bar);
    u64 const high = (low & 6) == 4 ? pci.read(*found, MachinePci::first_bar + 4) : 0;
    u64 const registers = high << 32 | (low & ~0xfu);
    if ((low & 1) || !registers || high) {
        log.line(Text{"uplink: the firmware gave the network card no registers below 4 GiB"});
        return false;
    }
    // "Interrupt Line": what the firmware routed it to, an input of the interrupt controllers.
    u32 const line = pci.read(*found, MachinePci::interrupt) & 0xff;
    auto* const memory = heap.make<E1000::Memory>();
    if (line == 0 || line > 15 || !memory) {
        log.line(Text{"uplink: ", memory ? "the firmware gave the network card no interrupt" : "no memory for the network card"});
        return false;
    }
    line_ = line;
    pci.enable(*found, MachinePci::memory_space | MachinePci::bus_master);
    std::string_view why;
    if (!card_.open(registers, *memory, tsc_hz, everything, why)) {
        log.line(Text{"uplink: the network card is not used: ", why});
        return false;
    }
    log.line(Text{"uplink: 82540EM at ", Hex{registers}, ", interrupt line ", line, ", address ", Hex{card_.address().number()}, card_.link() ? ", link up" : ", link down"});
    return true;
}

void Uplink::start(u64 event, Log& log)
{
    if (!card_.is_open())
        return;
    Answer const bound = interrupt_bind_level(line_, event, 0);
    if (bound.status == Status::ok)
        interrupt_ = bound.first;
    else
        log.line(Text{"uplink: no interrupt, status ", static_cast<u64>(bound.status), ": nothing comes in"});
}

void Uplink::acknowledge()
{
    if (interrupt_)
        static_cast<void>(interrupt_ack(interrupt_));
}

} // namespace kennel::service::net
