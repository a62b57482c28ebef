// SPDX-License-Identifier: Apache-2.0
//
// See pci.hpp.
#include "drivers/model/pci.hpp"

namespace kennel::service {

namespace {

constexpr u32 command_word = 1, class_word = 2, bar_word = 4, interrupt_word = 15;
constexpr u32 command_ports = 1, command_memory = 2;
constexpr u32 command_writable = 0x0407;              // I/O, memory, bus master, interrupt disable
constexpr u32 enable_bit = 0x8000'0000;

constexpr u32 ones(u32 size) { return size == 4 ? ~0u : (1u << 8 * size) - 1; }

bool in_word(u32 offset, u32 size) { return (size == 1 || size == 2 || size == 4) && offset % 4 + size <= 4; }

} // namespace

PciFunction::PciFunction(PciIdentity const& identity)
{
    words_[0] = identity.vendor | static_cast<u32>(identity.device) << 16;
    words_[class_word] = identity.class_code << 8;
    words_[11] = words_[0];                           // subsystem: the same
    writable_[command_word] = command_writable;
    writable_[interrupt_word] = 0xff;                 // the line is a note of the guest's; the pin stays 0
}

void PciFunction::add_memory_bar(u32 bar, u32 address, u32 size)
{
    bar_size_[bar] = size;
    words_[bar_word + bar] = address;
    writable_[bar_word + bar] = ~(size - 1);
    words_[command_word] |= command_memory;
}

void PciFunction::add_port_bar(u32 bar, u16 port, u32 size)
{
    words_[bar_word + bar] = port | 1u;
    writable_[bar_word + bar] = 0xffff & ~(size - 1);
    words_[command_word] |= command_ports;
}

u32 PciFunction::read(u32 offset, u32 size) const { return (words_[offset / 4] >> 8 * (offset % 4)) & ones(size); }

void PciFunction::write(u32 offset, u32 size, u32 value)
{
    u32 const shift = 8 * (offset % 4), mask = (ones(size) << shift) & writable_[offset / 4];
    words_[offset / 4] = (words_[offset / 4] & ~mask) | ((value << shift) & mask);
}

std::optional<PciFunction::Hit> PciFunction::find_memory(u64 address) const
{
    if (!(words_[command_word] & command_memory))
        return std::nullopt;
    for (u32 bar = 0; bar < bars; bar++) {
        u64 const offset = address - (words_[bar_word + bar] & ~15u);
        if (offset < bar_size_[bar])
            return Hit{bar, static_cast<u32>(offset)};
    }
    return std::nullopt;
}

void PciHost::reset()
{
    selected_ = 0;
    for (PciFunction& function : functions_)
        function = PciFunction{};
}

std::optional<PciHost::Target> PciHost::target(u32 bus, u32 device_function, u32 offset, u32 size) const
{
    u32 const number = device_function >> 3;
    if (bus != 0 || (device_function & 7) != 0 || number >= devices || !functions_[number].present() || !in_word(offset, size))
        return std::nullopt;
    return Target{number, offset};
}

u32 PciHost::read(Target const& target, u32 size) const
{
    PciFunction const& function = functions_[target.device];
    u32 value = function.read(target.offset, size);
    if (function.peer())
        function.peer()->read_config(target.offset, size, value);
    return value;
}

void PciHost::write(Target const& target, u32 size, u32 value)
{
    PciFunction& function = functions_[target.device];
    function.write(target.offset, size, value);
    if (function.peer())
        function.peer()->config_written(target.offset, size, value);
}

u32 PciHost::read_port(u16 port, u32 size) const
{
    if (port == address_port && size == 4)
        return selected_;
    if (port < data_port || !(selected_ & enable_bit))
        return ones(size);
    u32 const offset = (selected_ & 0xfc) + (port - data_port);
    auto const found = target((selected_ >> 16) & 0xff, (selected_ >> 8) & 0xff, offset, size);
    return found ? read(*found, size) : ones(size);
}

void PciHost::write_port(u16 port, u32 size, u32 value)
{
    if (port == address_port && size == 4) {
        selected_ = value & 0x80ff'fffc;
        return;
    }
    if (port < data_port || !(selected_ & enable_bit))
        return;
    u32 const offset = (selected_ & 0xfc) + (port - data_port);
    if (auto const found = target((selected_ >> 16) & 0xff, (selected_ >> 8) & 0xff, offset, size))
        write(*found, size, value);
}

u32 PciHost::read_ecam(u64 offset, u32 size) const
{
    u32 const place = offset & 0xfff;
    auto const found = target(static_cast<u32>(offset >> 20), (offset >> 12) & 0xff, place, size);
    if (!found)
        return ones(size);
    // No extended capabilities: the first word of their space reads 0.
    return place < PciFunction::config_bytes ? read(*found, size) : 0;
}

void PciHost::write_ecam(u64 offset, u32 size, u32 value)
{
    u32 const place = offset & 0xfff;
    auto const found = target(static_cast<u32>(offset >> 20), (offset >> 12) & 0xff, place, size);
    if (found && place < PciFunction::config_bytes)
        write(*found, size, value);
}

std::optional<PciHost::Hit> PciHost::find_memory(u64 address) const
{
    for (u32 i = 0; i < devices; i++)
        if (auto const hit = functions_[i].find_memory(address))
            return Hit{i, hit->bar, hit->offset};
    return std::nullopt;
}

} // namespace kennel::service
