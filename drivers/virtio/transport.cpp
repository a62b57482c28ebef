// SPDX-License-Identifier: Apache-2.0
//
// See transport.hpp.
#include "drivers/virtio/transport.hpp"

namespace kennel::service {

namespace {

constexpr u32 isr_offset = 0x40, device_offset = 0x80;
constexpr u32 pending_bits_offset = 0x800, vector_bytes = 16;

// Where the capabilities lie in configuration space.
constexpr u32 msix_capability = 0x40, common_capability = 0x4c, notify_capability = 0x5c, isr_capability = 0x70;
constexpr u32 device_capability = 0x80, window_capability = 0x90;
constexpr u32 window_bar = window_capability + 4, window_data = window_capability + 16;
constexpr u32 msix_control = msix_capability + 2;
constexpr u16 msix_enable = 0x8000, msix_mask = 0x4000;
constexpr u8  msix_id = 0x11, vendor_id = 0x09;

constexpr u32 ones(u32 size) { return size >= 4 ? ~0u : (1u << 8 * size) - 1; }

// "Virtio Structure PCI Capabilities": struct virtio_pci_cap.
struct Capability { u32 at, next; wire::Structure structure; u8 bytes; u32 offset, length; };
constexpr Capability capabilities[] = {
    {common_capability, notify_capability, wire::Structure::common, 16, 0, wire::common::size},
    {notify_capability, isr_capability,    wire::Structure::notify, 20, Transport::notify_ports, Transport::ports - Transport::notify_ports},
    {isr_capability,    device_capability, wire::Structure::isr,    16, isr_offset, 1},
    {device_capability, window_capability, wire::Structure::device, 16, device_offset, Transport::device_config_bytes},
    {window_capability, 0,                 wire::Structure::window, 20, 0, 0},
};
constexpr u32 notify_multiplier = 4;

} // namespace

void Transport::power_on(PciFunction& function, u16 port, u32 address, GuestMemory const& memory, InterruptSink& interrupts)
{
    function_ = &function;
    memory_ = &memory;
    interrupts_ = &interrupts;
    u16 const type = static_cast<u16>(recipe_.type);
    function = PciFunction{{wire::vendor, static_cast<u16>(wire::first_device + type), recipe_.class_code}};
    function.set_revision(1);                         // "PCI Device Discovery": a modern device has at least 1
    function.add_port_bar(0, port, ports);
    function.add_memory_bar(1, address, memory_size);
    function.set_capabilities(msix_capability);
    function.set(msix_capability, msix_id | common_capability << 8u | recipe_.queue_count << 16, (msix_enable | msix_mask) * 0x10000u);
    function.set(msix_capability + 4, 1);             // table: BAR 1, offset 0
    function.set(msix_capability + 8, pending_bits_offset | 1);
    for (Capability const& capability : capabilities) {
        function.set(capability.at, vendor_id | capability.next << 8 | capability.bytes * 0x10000u | static_cast<u32>(capability.structure) << 24);
        function.set(capability.at + 4, 0);
        function.set(capability.at + 8, capability.offset);
        function.set(capability.at + 12, capability.length);
    }
    function.set(notify_capability + 16, notify_multiplier);
    // The window's BAR, offset and length are the driver's.
    function.set(window_bar, 0, 0xff);
    function.set(window_bar + 4, 0, ~0u);
    function.set(window_bar + 8, 0, ~0u);
    function.set_peer(this);
    for (Vector& vector : vectors_)
        vector = {};
    finish_reset();
}

void Transport::finish_reset()
{
    for (u32 i = 0; i < recipe_.queue_count; i++)
        queues_[i].reset(recipe_.queue_size);
    // "Device Reset": no notification of the old time comes after it, not even one that a mask held back.
    for (Vector& vector : vectors_)
        vector.pending = false;
    accepted_ = 0;
    device_feature_select_ = driver_feature_select_ = 0;
    queue_select_ = 0;
    config_vector_ = wire::no_vector;
    status_ = isr_ = 0;
    resetting_ = false;
    window_change_ = Change::none;
}

// ---- registers ----

u32 Transport::read_common(u32 word) const
{
    using namespace wire::common;
    bool const there = queue_select_ < recipe_.queue_count;
    Queue::Setup const absent{};
    Queue::Setup const& setup = there ? queues_[queue_select_].setup : absent;
    switch (word) {
    case device_feature_select: return device_feature_select_;
    case device_feature:        return device_feature_select_ < 2 ? static_cast<u32>(offered() >> 32 * device_feature_select_) : 0;
    case driver_feature_select: return driver_feature_select_;
    case driver_feature:        return driver_feature_select_ < 2 ? static_cast<u32>(accepted_ >> 32 * driver_feature_select_) : 0;
    case config_vector:         return config_vector_ | recipe_.queue_count << 16;
    case device_status:         return status_ | static_cast<u32>(generation_) << 8 | static_cast<u32>(queue_select_) << 16;
    case queue_size:            return setup.size | static_cast<u32>(setup.vector) << 16;
    case queue_enable:          return setup.enabled | static_cast<u32>(there ? queue_select_ : 0) << 16;
    case queue_descriptors:     return static_cast<u32>(setup.descriptors);
    case queue_descriptors + 4: return static_cast<u32>(setup.descriptors >> 32);
    case queue_driver:          return static_cast<u32>(setup.available);
    case queue_driver + 4:      return static_cast<u32>(setup.available >> 32);
    case queue_device:          return static_cast<u32>(setup.used);
    case queue_device + 4:      return static_cast<u32>(setup.used >> 32);
    default:                    return 0;
    }
}

u32 Transport::read_port(u32 offset, u32 size)
{
    u32 const shift = 8 * (offset % 4);
    if (offset % 4 + size > 4)
        return ones(size);
    if (offset < wire::common::size)
        return (read_common(offset & ~3u) >> shift) & ones(size);
    if (offset == isr_offset) {
        u8 const seen = isr_;                         // "ISR status capability": reading acknowledges
        isr_ = 0;
        return seen;
    }
    if (u32 const at = offset - device_offset; at < device_config_bytes && size <= device_config_bytes - at) {
        u32 value = 0;
        __builtin_memcpy(&value, config + at, size);
        return value;
    }
    return 0;
}

Transport::Change Transport::write_port(u32 offset, u32 size, u32 value)
{
    if (offset < wire::common::size)
        return write_common(offset, size, value);
    u32 const at = offset - device_offset;
    if (at >= device_config_bytes || size > device_config_bytes - at || ((recipe_.writable_config >> at) & ((1ull << size) - 1)) != (1ull << size) - 1)
        return Change::none;
    __builtin_memcpy(config + at, &value, size);
    return Change::configuration;
}

// "Common configuration structure layout": each field by an access of its own width; what is wider is two words of 4.
Transport::Change Transport::write_common(u32 offset, u32 size, u32 value)
{
    using namespace wire::common;
    if (offset == device_status)
        return size == 1 ? write_status(static_cast<u8>(value)) : Change::none;
    if (resetting_)
        return Change::none;
    if (size == 4 && offset == device_feature_select)
        device_feature_select_ = value;
    else if (size == 4 && offset == driver_feature_select)
        driver_feature_select_ = value;
    else if (size == 4 && offset == driver_feature && driver_feature_select_ < 2 && !(status_ & wire::status::features_ok)) {
        u32 const shift = 32 * driver_feature_select_;
        accepted_ = (accepted_ & ~(0xffff'ffffull << shift)) | static_cast<u64>(value) << shift;
    } else if (size == 2 && offset == config_vector)
        config_vector_ = checked_vector(value);
    else if (size == 2 && offset == queue_select)
        queue_select_ = static_cast<u16>(value);
    else if (queue_select_ < recipe_.queue_count)
        write_queue(offset, size, value);
    return Change::none;
}

void Transport::write_queue(u32 offset, u32 size, u32 value)
{
    using namespace wire::common;
    Queue::Setup& setup = queues_[queue_select_].setup;
    // A queue's vector may change at any time; the rest is frozen once the device runs.
    if (size == 2 && offset == queue_vector)
        setup.vector = checked_vector(value);
    if (!may_set_up() || setup.enabled)
        return;
    auto const half = [&](u64& address, bool high) {
        u32 const shift = high ? 32 : 0;
        address = (address & ~(0xffff'ffffull << shift)) | static_cast<u64>(value) << shift;
    };
    if (size == 2 && offset == queue_size) {
        if (value != 0 && value <= recipe_.queue_size && (value & (value - 1)) == 0)
            setup.size = static_cast<u16>(value);
    } else if (size == 2 && offset == queue_enable) {
        setup.enabled = value == 1;                   // 0 is not allowed and means nothing
    } else if (size == 4 && offset % 4 == 0) {
        switch (offset & ~4u) {
        case queue_descriptors & ~4u: half(setup.descriptors, offset != queue_descriptors); break;
        case queue_driver & ~4u:      half(setup.available, offset != queue_driver); break;
        case queue_device & ~4u:      half(setup.used, offset != queue_device); break;
        default: break;
        }
    }
}

Transport::Change Transport::write_status(u8 value)
{
    using namespace wire::status;
    if (value == 0) {
        if (resetting_)
            return Change::none;
        // The status says what it said until the device calls finish_reset(): "Driver Requirements: Device Initialization"
        // make the driver wait for 0.
        resetting_ = true;
        return Change::reset;
    }
    if (resetting_)
        return Change::none;
    u8 const added = value & static_cast<u8>(~status_) & (acknowledge | driver | driver_ok | features_ok | failed);
    status_ |= added & (acknowledge | driver | failed);
    if ((added & features_ok) && (accepted_ & ~offered()) == 0 && has(wire::feature::version_1))
        status_ |= features_ok;
    if ((added & driver_ok) && (status_ & features_ok) && !(status_ & needs_reset))
        return start();
    return Change::none;
}

Transport::Change Transport::start()
{
    status_ |= wire::status::driver_ok;
    for (u32 i = 0; i < recipe_.queue_count; i++)
        if (queues_[i].setup.enabled && !queues_[i].start(*memory_, has(wire::feature::event_index))) {
            break_down();
            return Change::none;
        }
    return Change::started;
}

void Transport::break_down()
{
    if (status_ & wire::status::needs_reset)
        return;
    status_ |= wire::status::needs_reset;
    for (Queue& queue : queues_)
        queue.stop();
    generation_++;
    interrupt_configuration();
}

// ---- interrupts: PCI Local Bus Specification 3.0, "MSI-X Capability and Table Structure" ----

void Transport::interrupt_queue(u32 number)
{
    isr_ |= wire::isr::queue;
    raise(queues_[number].setup.vector);
}

void Transport::interrupt_configuration()
{
    isr_ |= wire::isr::configuration;
    raise(config_vector_);
}

void Transport::raise(u16 number)
{
    if (number > recipe_.queue_count)                 // one vector for each queue, and one for the configuration
        return;
    Vector& vector = vectors_[number];
    u32 const control = function_->read(msix_control, 2);
    if ((control & (msix_enable | msix_mask)) == msix_enable && !vector.masked) [[likely]]
        send(vector);
    else if (control & msix_enable)
        vector.pending = true;
}

void Transport::deliver_pending()
{
    if ((function_->read(msix_control, 2) & (msix_enable | msix_mask)) != msix_enable)
        return;
    for (Vector& vector : vectors_)
        if (vector.pending && !vector.masked) {
            vector.pending = false;
            send(vector);
        }
}

u32 Transport::read_memory(u32 offset, u32 size) const
{
    u32 word = 0;
    if (u32 const number = offset / vector_bytes; number < recipe_.queue_count + 1) {
        Vector const& vector = vectors_[number];
        switch (offset % vector_bytes / 4) {
        case 0: word = static_cast<u32>(vector.address); break;
        case 1: word = static_cast<u32>(vector.address >> 32); break;
        case 2: word = vector.data; break;
        case 3: word = vector.masked; break;
        }
    } else if ((offset & ~3u) == pending_bits_offset) {
        for (u32 i = 0; i < vectors; i++)
            word |= static_cast<u32>(vectors_[i].pending) << i;
    }
    return offset % 4 + size > 4 ? ones(size) : (word >> 8 * (offset % 4)) & ones(size);
}

void Transport::write_memory(u32 offset, u32 size, u32 value)
{
    u32 const number = offset / vector_bytes;
    if (size != 4 || offset % 4 || number >= recipe_.queue_count + 1)
        return;                                       // pending bits are read-only; the table takes whole words
    Vector& vector = vectors_[number];
    switch (offset % vector_bytes / 4) {
    case 0: vector.address = (vector.address & ~0xffff'ffffull) | value; break;
    case 1: vector.address = (vector.address & 0xffff'ffffull) | static_cast<u64>(value) << 32; break;
    case 2: vector.data = value; break;
    case 3:
        vector.masked = value & 1;
        deliver_pending();
        break;
    }
}

// ---- the window in configuration space ----

bool Transport::window_hits(u32 offset, u32 size) const
{
    // The access has the width of the capability's length, and lies inside BAR 0 without crossing a word.
    u32 const place = function_->read(window_bar + 4, 4);
    return offset == window_data && function_->read(window_bar + 8, 4) == size && (size == 1 || size == 2 || size == 4) &&
           function_->read(window_bar, 1) == 0 && place < notify_ports && place % size == 0;
}

void Transport::read_config(u32 offset, u32 size, u32& value)
{
    if (window_hits(offset, size))
        value = read_port(function_->read(window_bar + 4, 4), size);
}

void Transport::config_written(u32 offset, u32 size, u32 value)
{
    if (window_hits(offset, size)) {
        if (Change const change = write_port(function_->read(window_bar + 4, 4), size, value); change != Change::none)
            window_change_ = change;
    } else if (offset < msix_control + 2 && offset + size > msix_control) {
        deliver_pending();
    }
}

} // namespace kennel::service
