// SPDX-License-Identifier: Apache-2.0
//
// See ioapic.hpp.
#include "drivers/model/ioapic.hpp"

namespace kennel::service {

namespace {

// Offsets in the page, and what the index register selects.
constexpr u32 select_register = 0x00, window_register = 0x10;
constexpr u8  index_id = 0, index_version = 1, index_arbitration = 2, index_entries = 0x10;

constexpr u32 version = 0x11 | (IoApic::inputs - 1) << 16;

} // namespace

void IoApic::reset()
{
    selected_ = id_ = 0;
    high_ = latched_ = 0;
    for (u64& entry : entries_)
        entry = Entry::Masked::of(true);
}

u32 IoApic::read(u32 offset) const
{
    if (offset == select_register)
        return selected_;
    if (offset != window_register)
        return 0;
    if (selected_ == index_id || selected_ == index_arbitration)
        return static_cast<u32>(id_) << 24;
    if (selected_ == index_version)
        return version;
    u32 const entry = (selected_ - index_entries) / 2u;
    if (selected_ < index_entries || entry >= inputs)
        return 0;
    return static_cast<u32>(selected_ % 2 ? entries_[entry] >> 32 : entries_[entry]);
}

void IoApic::write(u32 offset, u32 value)
{
    if (offset == select_register) {
        selected_ = static_cast<u8>(value);
        return;
    }
    if (offset != window_register)
        return;
    if (selected_ == index_id) {
        id_ = (value >> 24) & 15;
        return;
    }
    u32 const number = (selected_ - index_entries) / 2u;
    if (selected_ < index_entries || number >= inputs)
        return;
    u64& entry = entries_[number];
    entry = selected_ % 2 ? (entry & 0xffff'ffff) | static_cast<u64>(value) << 32 : (entry & ~0xffff'ffffull) | value;
    entry &= Entry::writable;
    if ((latched_ >> number & 1) && !Entry::Masked::get(entry))
        deliver(number);
}

void IoApic::set_input(u32 input, bool high)
{
    u32 const bit = 1u << input;
    bool const rising = high && !(high_ & bit);
    high_ = high ? high_ | bit : high_ & ~bit;
    if (rising)
        deliver(input);
}

void IoApic::deliver(u32 input)
{
    u64 const entry = entries_[input];
    if (Entry::Masked::get(entry)) {
        latched_ |= 1u << input;
        return;
    }
    latched_ &= ~(1u << input);
    sink_.raise(0xfee0'0000u | static_cast<u32>(Entry::Destination::get(entry)) << 12 | (Entry::Logical::get(entry) ? 4u : 0u),
                Entry::Vector::get(entry) | static_cast<u32>(Entry::Delivery::get(entry)) << 8);
}

} // namespace kennel::service
