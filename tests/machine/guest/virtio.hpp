// SPDX-License-Identifier: Apache-2.0
//
// A virtio device driven by hand: every register and every word of a ring can be made wrong. Physical addresses are the
// guest's own, so a ring is any object of the guest's. virtio 1.2, "Virtio Over PCI Bus" and "Split Virtqueues".
#pragma once
#include "drivers/virtio/wire.hpp"
#include "tests/machine/guest/processor.hpp"

namespace kennel::guest {

namespace wire = service::wire;

inline u64 address_of(void const volatile* object) { return reinterpret_cast<u64>(object); }
inline void barrier() { asm volatile("mfence" ::: "memory"); }

template<u16 count> struct Ring {
    static constexpr u16 size = count;

    alignas(4096) wire::Descriptor descriptors[count];
    struct { u16 flags, index, entries[count], used_event; } available;
    alignas(4) struct { u16 flags, index; struct { u32 head, written; } entries[count]; u16 available_event; } used;

    void clear() { __builtin_memset(this, 0, sizeof *this); }
    // Makes a head available; nobody is told.
    void offer(u16 head)
    {
        available.entries[available.index % count] = head;
        barrier();
        __atomic_store_n(&available.index, static_cast<u16>(available.index + 1), __ATOMIC_RELEASE);
    }
    u16 given_back() const { return __atomic_load_n(&used.index, __ATOMIC_ACQUIRE); }
};

class VirtioDevice {
public:
    static constexpr u64 memory_bar = 4096;

    // The first device of this type from PCI device number `from` on.
    bool find(wire::DeviceType type, u32 from = 0)
    {
        for (slot_ = from; slot_ < 32; slot_++)
            if (read_pci(0) == (wire::vendor | (wire::first_device + static_cast<u32>(type)) << 16)) {
                port_ = static_cast<u16>(read_pci(0x10) & ~3u);
                table_ = read_pci(0x14) & ~15u;
                return true;
            }
        return false;
    }
    u32  slot() const { return slot_; }
    u16  port() const { return port_; }
    u64  table() const { return table_; }            // of MSI-X vectors
    u32  read_pci(u32 offset) const
    {
        out32(0xcf8, 0x8000'0000 | slot_ << 11 | offset);
        return in32(0xcfc);
    }
    void write_pci(u32 offset, u32 value) const
    {
        out32(0xcf8, 0x8000'0000 | slot_ << 11 | offset);
        out32(0xcfc, value);
    }

    // ---- registers ----

    u16  at(u32 offset) const { return static_cast<u16>(port_ + offset); }
    u8   status() const { return in8(at(wire::common::device_status)); }
    void set_status(u8 status) const { out8(at(wire::common::device_status), status); }
    bool needs_reset() const { return status() & wire::status::needs_reset; }
    u64  capacity() const { return in32(at(configuration)) | static_cast<u64>(in32(at(configuration + 4))) << 32; }

    // False: it does not come back.
    bool reset() const
    {
        set_status(0);
        for (u32 i = 0; i < 1'000'000; i++)
            if (status() == 0)
                return true;
        return false;
    }
    u64 offered() const
    {
        u64 features = 0;
        for (u32 word = 0; word < 2; word++) {
            out32(at(wire::common::device_feature_select), word);
            features |= static_cast<u64>(in32(at(wire::common::device_feature))) << 32 * word;
        }
        return features;
    }
    void accept(u64 features) const
    {
        for (u32 word = 0; word < 2; word++) {
            out32(at(wire::common::driver_feature_select), word);
            out32(at(wire::common::driver_feature), static_cast<u32>(features >> 32 * word));
        }
    }
    // As far as DRIVER_OK. False: it refused these features.
    bool negotiate(u64 features) const
    {
        using namespace wire::status;
        set_status(acknowledge);
        set_status(acknowledge | driver);
        accept(features | wire::feature::version_1);
        set_status(acknowledge | driver | features_ok);
        return status() & features_ok;
    }
    void drive() const { set_status(wire::status::acknowledge | wire::status::driver | wire::status::features_ok | wire::status::driver_ok); }

    void set_queue(u16 number, u16 size, u64 descriptors, u64 available, u64 used, bool enable = true) const
    {
        using namespace wire::common;
        out16(at(queue_select), number);
        out16(at(queue_size), size);
        set_address(queue_descriptors, descriptors);
        set_address(queue_driver, available);
        set_address(queue_device, used);
        if (enable)
            out16(at(queue_enable), 1);
    }
    template<u16 size> void set_queue(u16 number, Ring<size> const& ring) const
    {
        set_queue(number, size, address_of(ring.descriptors), address_of(&ring.available), address_of(&ring.used));
    }
    void kick(u16 queue = 0) const { out16(at(0xc0 + 4u * queue), queue); }

    // Queue 0 on `ring`, ready for requests. False: it refused.
    template<u16 size> bool begin(Ring<size>& ring, u64 features = 0) const
    {
        ring.clear();
        if (!reset() || !negotiate(features))
            return false;
        set_queue(0, ring);
        drive();
        return true;
    }

    // ---- interrupts ----

    // MSI-X vector `number` -> interrupt `vector` of this processor, for configuration changes or a queue.
    void set_vector(u32 number, u64 address, u32 data, bool masked = false) const
    {
        u64 const entry = table_ + 16 * number;
        write<u32>(entry, static_cast<u32>(address));
        write<u32>(entry + 4, static_cast<u32>(address >> 32));
        write<u32>(entry + 8, data);
        write<u32>(entry + 12, masked);
    }
    void use_vector(u16 queue, u16 number) const
    {
        out16(at(wire::common::queue_select), queue);
        out16(at(wire::common::queue_vector), number);
    }
    void enable_vectors(bool enabled, bool masked = false) const { write_pci(0x40, (enabled ? 0x8000'0000u : 0) | (masked ? 0x4000'0000u : 0)); }

    static constexpr u32 configuration = 0x80;

private:
    void set_address(u32 offset, u64 address) const
    {
        out32(at(offset), static_cast<u32>(address));
        out32(at(offset + 4), static_cast<u32>(address >> 32));
    }

    u32 slot_ = 0;
    u16 port_ = 0;
    u64 table_ = 0;
};

// ---- virtio-blk ----

struct BlockHeader { u32 type, reserved; u64 sector; };

enum class BlockType : u32 { read = 0, write = 1, flush = 4, get_id = 8, discard = 11, write_zeroes = 13 };

// One request at a time on queue 0, by three descriptors from `first` on.
template<u16 size> class BlockDriver {
public:
    static constexpr u8 ok = 0, io_error = 1, unsupported = 2, nothing = 0xff;

    VirtioDevice device;
    Ring<size>   ring;

    bool find(u32 from = 0) { return device.find(wire::DeviceType::block, from); }
    bool begin(u64 features = 0)
    {
        seen_ = 0;
        return device.begin(ring, features);
    }

    // The status the device wrote; `nothing`: it gave back nothing, or wrote none.
    u8 request(BlockType type, u64 sector, void* data, u32 bytes)
    {
        prepare(type, sector, data, bytes);
        ring.offer(0);
        device.kick();
        return await(1) ? status : nothing;
    }
    // Fills descriptors 0 to 2 (data may be none).
    void prepare(BlockType type, u64 sector, void const* data, u32 bytes)
    {
        header = {static_cast<u32>(type), 0, sector};
        status = nothing;
        bool const to_device = type == BlockType::write || type == BlockType::discard || type == BlockType::write_zeroes;
        ring.descriptors[0] = {address_of(&header), sizeof header, wire::descriptor::next, static_cast<u16>(bytes ? 1 : 2)};
        ring.descriptors[1] = {address_of(data), bytes, static_cast<u16>(wire::descriptor::next | (to_device ? 0 : wire::descriptor::write)), 2};
        ring.descriptors[2] = {address_of(&status), 1, wire::descriptor::write, 0};
    }
    // `more` chains have come back since the last time.
    bool await(u16 more)
    {
        for (u32 i = 0; i < 20'000'000; i++)
            if (static_cast<u16>(ring.given_back() - seen_) >= more) {
                seen_ = static_cast<u16>(seen_ + more);
                return true;
            }
        return false;
    }
    // Nothing has.
    bool is_quiet() const { return ring.given_back() == seen_; }

    BlockHeader header;
    u8 volatile status = nothing;

private:
    u16 seen_ = 0;
};

} // namespace kennel::guest
