// SPDX-License-Identifier: Apache-2.0
//
// The machine's I/O APICs: a global interrupt line -> a host vector on one CPU. Intel, "82093AA IOAPIC".
#include "arch/x86/host.hpp"

namespace kennel::arch {

namespace {

struct Chip { volatile u32* registers; u32 first, lines; };
struct Chips {
    Chip items[abi::max_io_apics];
    u32  count = 0;

    Chip* of(u32 line)
    {
        for (u32 i = 0; i < count; i++)
            if (line >= items[i].first && line - items[i].first < items[i].lines)
                return &items[i];
        return nullptr;
    }
};
constinit Locked<Chips, Rank::lines> chips;    // a register is chosen by one access and used by the next

u32 read(Chip const& chip, u32 index)
{
    chip.registers[0] = index;
    return chip.registers[4];
}
void write(Chip const& chip, u32 index, u32 value)
{
    chip.registers[0] = index;
    chip.registers[4] = value;
}

constexpr u32 masked = 1u << 16, level_triggered = 1u << 15, low_active = 1u << 13;

} // namespace

void find_io_apics(Machine& machine)
{
    auto all = chips.lock();
    for (u32 i = 0; i < machine.boot->io_apic_count && i < abi::max_io_apics; i++) {
        abi::IoApic const& found = machine.boot->io_apics[i];
        Chip& chip = all->items[all->count++];
        chip = {static_cast<volatile u32*>(host_paging().map_device({found.address}, 0x20)), found.first_line, 0};
        chip.lines = ((read(chip, 1) >> 16) & 0xff) + 1;
        for (u32 line = 0; line < chip.lines; line++)
            write(chip, 0x10 + 2 * line, masked);
    }
}

bool route_line(Machine& machine, u32 global_line, bool level, bool active_low, u8 vector, u32 cpu)
{
    auto all = chips.lock();
    Chip* chip = all->of(global_line);
    u32 const target = machine.cpus[cpu]->shared.apic_id;
    if (!chip || target >= 0xff)
        return false;
    u32 const entry = 0x10 + 2 * (global_line - chip->first);
    write(*chip, entry, masked);
    write(*chip, entry + 1, target << 24);
    write(*chip, entry, masked | vector | (level ? level_triggered : 0) | (active_low ? low_active : 0));
    return true;
}

void mask_line(Machine&, u32 line, bool mask)
{
    auto all = chips.lock();
    if (Chip* chip = all->of(line)) {
        u32 const entry = 0x10 + 2 * (line - chip->first);
        write(*chip, entry, (read(*chip, entry) & ~masked) | (mask ? masked : 0));
    }
}

} // namespace kennel::arch
