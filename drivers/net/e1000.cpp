// SPDX-License-Identifier: Apache-2.0
//
// See e1000.hpp.
#include "drivers/net/e1000.hpp"
#include "drivers/instructions.hpp"
#include <algorithm>

namespace kennel::service::net {

namespace {

// "Register Descriptions".
namespace at {
constexpr u32 control = 0x0000, status = 0x0008, eeprom = 0x0014, cause = 0x00c0, throttle = 0x00c4, enable_causes = 0x00d0, disable_causes = 0x00d8,
              receive_control = 0x0100, transmit_control = 0x0400, gap = 0x0410,
              receive_low = 0x2800, receive_high = 0x2804, receive_bytes = 0x2808, receive_head = 0x2810, receive_tail = 0x2818, receive_delay = 0x2820,
              transmit_low = 0x3800, transmit_high = 0x3804, transmit_bytes = 0x3808, transmit_head = 0x3810, transmit_tail = 0x3818,
              missed = 0x4010, multicast_table = 0x5200, address_low = 0x5400, address_high = 0x5404;
}

constexpr u32 control_set_link_up = 1 << 6, control_link_reset = 1 << 3, control_invert_signal = 1 << 7, control_reset = 1 << 26, control_vlan = 1 << 30, control_phy_reset = 1u << 31;
constexpr u32 status_link_up = 1 << 1;
constexpr u32 eeprom_start = 1 << 0, eeprom_done = 1 << 4;
constexpr u32 cause_link = 1 << 2, cause_few_buffers = 1 << 4, cause_overrun = 1 << 6, cause_received = 1 << 7;
constexpr u32 receive_enable = 1 << 1, receive_all = 1 << 3, receive_all_groups = 1 << 4, receive_broadcast = 1 << 15, receive_strip_check = 1 << 26;
constexpr u32 transmit_enable = 1 << 1, transmit_pad = 1 << 3, collision_threshold = 0x0f << 4, collision_distance = 0x40 << 12;
constexpr u32 copper_gap = 10 | 8 << 10 | 6 << 20;    // "Transmit IPG Register", for IEEE 802.3 over copper
constexpr u32 interrupts_apart = 488;                 // of 256 ns: at most 8,000 a second
constexpr u32 address_valid = 1u << 31;

constexpr u8 descriptor_done = 1, end_of_packet = 2;
constexpr u8 command_end = 1, command_check = 2, command_report = 8;

constexpr u64 patience_microseconds = 20'000;         // for the device's own doings

// Until `done`, or too late.
template<class Done> bool wait_for(u64 tsc_hz, Done&& done)
{
    for (u64 const until = time_stamp() + tsc_hz / 1'000'000 * patience_microseconds; !done(); relax())
        if (time_stamp() > until)
            return false;
    return true;
}

} // namespace

u32  E1000::read(u32 at) const { return read_register(registers_ + at); }
void E1000::write(u32 at, u32 value) const { write_register(registers_ + at, value); }

// "EEPROM Read Register".
std::optional<u16> E1000::read_eeprom(u32 word, u64 tsc_hz) const
{
    write(at::eeprom, word << 8 | eeprom_start);
    u32 value = 0;
    if (!wait_for(tsc_hz, [&] { return ((value = read(at::eeprom)) & eeprom_done) != 0; }))
        return std::nullopt;
    return static_cast<u16>(value >> 16);
}

// In the EEPROM's first three words; else what is in the address register already.
std::optional<MacAddress> E1000::find_address(u64 tsc_hz) const
{
    auto const usable = [](MacAddress address) { return !address.is_group() && address != MacAddress{}; };
    MacAddress address;
    bool good = true;
    for (u32 i = 0; i < 3 && good; i++) {
        auto const word = read_eeprom(i, tsc_hz);
        good = word.has_value();
        address.bytes[2 * i] = static_cast<u8>(word.value_or(0));
        address.bytes[2 * i + 1] = static_cast<u8>(word.value_or(0) >> 8);
    }
    if (good && usable(address))
        return address;
    u32 const low = read(at::address_low), high = read(at::address_high);
    for (u32 i = 0; i < 6; i++)
        address.bytes[i] = static_cast<u8>((i < 4 ? low >> 8 * i : high >> 8 * (i - 4)));
    return (high & address_valid) && usable(address) ? std::optional{address} : std::nullopt;
}

// "Initialization of Statistics", "General Configuration", "Receive Initialization", "Transmit Initialization". Every register is
// written, because not every reset clears them.
bool E1000::open(u64 registers, Memory& memory, u64 tsc_hz, bool everything, std::string_view& why)
{
    registers_ = registers;
    write(at::disable_causes, ~0u);
    write(at::receive_control, 0);
    write(at::transmit_control, 0);
    write(at::control, read(at::control) | control_reset);
    if (!wait_for(tsc_hz, [&] { return (read(at::control) & control_reset) == 0; })) {
        why = "it does not come out of its reset";
        return false;
    }
    write(at::disable_causes, ~0u);
    static_cast<void>(read(at::cause));
    auto const address = find_address(tsc_hz);
    if (!address) {
        why = "it does not know its address";
        return false;
    }
    address_ = *address;
    write(at::control, (read(at::control) & ~(control_link_reset | control_phy_reset | control_invert_signal | control_vlan)) | control_set_link_up);

    for (u32 i = 0; i < 128; i++)
        write(at::multicast_table + 4 * i, 0);
    u8 const* const bytes = address_.bytes;
    write(at::address_low, static_cast<u32>(bytes[0]) | static_cast<u32>(bytes[1]) << 8 | static_cast<u32>(bytes[2]) << 16 | static_cast<u32>(bytes[3]) << 24);
    write(at::address_high, static_cast<u32>(bytes[4]) | static_cast<u32>(bytes[5]) << 8 | address_valid);

    for (u32 i = 0; i < ring; i++) {
        memory.receiving[i] = {.buffer = reinterpret_cast<u64>(memory.from_wire[i]), .length = 0, .checksum = 0, .status = 0, .errors = 0, .special = 0};
        memory.sending[i] = {.buffer = reinterpret_cast<u64>(memory.to_wire[i]), .length = 0, .checksum_offset = 0, .command = 0, .status = descriptor_done, .checksum_start = 0, .special = 0};
    }
    u64 const receiving = reinterpret_cast<u64>(memory.receiving), sending = reinterpret_cast<u64>(memory.sending);
    write(at::receive_low, static_cast<u32>(receiving));
    write(at::receive_high, static_cast<u32>(receiving >> 32));
    write(at::receive_bytes, sizeof memory.receiving);
    write(at::receive_head, 0);
    write(at::receive_tail, ring - 1);                // the device owns all but one: an empty ring and a full one must differ
    write(at::receive_delay, 0);
    write(at::transmit_low, static_cast<u32>(sending));
    write(at::transmit_high, static_cast<u32>(sending >> 32));
    write(at::transmit_bytes, sizeof memory.sending);
    write(at::transmit_head, 0);
    write(at::transmit_tail, 0);
    write(at::gap, copper_gap);
    write(at::throttle, interrupts_apart);

    memory_ = &memory;
    sending_ = receiving_ = 0;
    spans_ = false;
    write(at::transmit_control, transmit_enable | transmit_pad | collision_threshold | collision_distance);
    write(at::receive_control, receive_enable | receive_broadcast | receive_strip_check | (everything ? receive_all | receive_all_groups : 0));
    link_ = read(at::status) & status_link_up;
    write(at::enable_causes, cause_link | cause_few_buffers | cause_overrun | cause_received);
    return true;
}

Delivery E1000::send(Frame const& frame)
{
    if (!memory_ || !link_)
        return Delivery::down;
    return suit(frame, {}, [this](Frame const& plain) {
        TransmitDescriptor& descriptor = memory_->sending[sending_];
        // One stays free: with a tail that has caught up with the head the device would take a full ring for an empty one.
        // Ordering: acquire: what the device read of the buffer, it has read.
        if (!(__atomic_load_n(&memory_->sending[(sending_ + 1) % ring].status, __ATOMIC_ACQUIRE) & descriptor_done)) {
            counters_.full++;
            return Delivery::full;
        }
        u32 const size = FrameReader{plain}.copy(std::span{memory_->to_wire[sending_]}.first(plain.size));
        descriptor.length = static_cast<u16>(size);
        descriptor.command = command_end | command_check | command_report;
        // Ordering: release: the descriptor is whole before the tail says that it counts.
        __atomic_store_n(&descriptor.status, 0, __ATOMIC_RELEASE);
        sending_ = (sending_ + 1) % ring;
        write(at::transmit_tail, sending_);
        counters_.sent++;
        return Delivery::taken;
    });
}

bool E1000::interrupt()
{
    if (!memory_)
        return false;
    u32 const causes = read(at::cause);               // reading clears
    if (causes & cause_overrun)
        counters_.missed += read(at::missed);         // this too
    bool const now = read(at::status) & status_link_up;
    if (now == link_)
        return false;
    link_ = now;
    counters_.link_changes++;
    return true;
}

std::optional<std::span<u8>> E1000::next()
{
    ReceiveDescriptor& descriptor = memory_->receiving[receiving_];
    // Ordering: acquire: length and bytes are what they were when the device said so.
    u8 const status = __atomic_load_n(&descriptor.status, __ATOMIC_ACQUIRE);
    if (!(status & descriptor_done))
        return std::nullopt;
    u32 const length = __atomic_load_n(&descriptor.length, __ATOMIC_RELAXED);
    u8 const errors = __atomic_load_n(&descriptor.errors, __ATOMIC_RELAXED);
    bool const ends = status & end_of_packet, is_whole = ends && !spans_;
    spans_ = !ends;                                   // larger than a buffer: larger than anybody here takes
    if (!is_whole || errors || length < sizeof(EthernetHeader) || length > plain_frame + 4) {
        counters_.malformed += ends;
        return std::span<u8>{};
    }
    counters_.received++;
    return std::span<u8>{memory_->from_wire[receiving_], length};
}

void E1000::give_back()
{
    ReceiveDescriptor& descriptor = memory_->receiving[receiving_];
    descriptor.buffer = reinterpret_cast<u64>(memory_->from_wire[receiving_]);   // nothing of what the device wrote is kept
    descriptor.length = 0;
    descriptor.errors = 0;
    __atomic_store_n(&descriptor.status, 0, __ATOMIC_RELEASE);
    receiving_ = (receiving_ + 1) % ring;
}

// The tail is the last one the device may fill, which is the one before the next to come.
void E1000::refill() { write(at::receive_tail, (receiving_ + ring - 1) % ring); }

} // namespace kennel::service::net
