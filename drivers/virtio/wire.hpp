// SPDX-License-Identifier: Apache-2.0
//
// The words of virtio 1.2 as they lie in registers and in a guest's RAM: names and numbers of the specification, nothing of
// ours. Little-endian, like the only processor we run on.
#pragma once
#include "hv/lib/types.hpp"

namespace kennel::service::wire {

// ---- "Device Types"; the PCI device is this and 0x1040 ("PCI Device Discovery") ----

enum class DeviceType : u16 { network = 1, block = 2, console = 3, entropy = 4, pmem = 27 };
inline constexpr u16 vendor = 0x1af4, first_device = 0x1040;

// ---- "Device Status Field" ----

namespace status {
inline constexpr u8 acknowledge = 1, driver = 2, driver_ok = 4, features_ok = 8, needs_reset = 64, failed = 128;
}

// ---- "Reserved Feature Bits" ----

namespace feature {
inline constexpr u64 indirect_descriptors = 1ull << 28, event_index = 1ull << 29, version_1 = 1ull << 32;
}

// ---- "Virtio Over PCI Bus": capabilities ----

enum class Structure : u8 { common = 1, notify = 2, isr = 3, device = 4, window = 5 };

inline constexpr u16 no_vector = 0xffff;              // VIRTIO_MSI_NO_VECTOR

// "Common configuration structure layout": offsets.
namespace common {
inline constexpr u32 device_feature_select = 0x00, device_feature = 0x04, driver_feature_select = 0x08, driver_feature = 0x0c;
inline constexpr u32 config_vector = 0x10, queue_count = 0x12, device_status = 0x14, config_generation = 0x15, queue_select = 0x16;
inline constexpr u32 queue_size = 0x18, queue_vector = 0x1a, queue_enable = 0x1c, queue_notify_offset = 0x1e;
inline constexpr u32 queue_descriptors = 0x20, queue_driver = 0x28, queue_device = 0x30, size = 0x38;
}

namespace isr { inline constexpr u8 queue = 1, configuration = 2; }

// ---- "Split Virtqueues" ----

struct Descriptor { u64 address; u32 length; u16 flags, next; };
static_assert(sizeof(Descriptor) == 16);

namespace descriptor { inline constexpr u16 next = 1, write = 2, indirect = 4; }

// Both rings: flags, index, entries, and the other side's event index behind the entries.
inline constexpr u32 ring_flags = 0, ring_index = 2, ring_entries = 4;
inline constexpr u32 available_entry = 2, used_entry = 8;
inline constexpr u16 available_no_interrupt = 1;

constexpr u64 descriptors_bytes(u16 size) { return 16ull * size; }
constexpr u64 available_bytes(u16 size) { return ring_entries + 2ull * size + 2; }
constexpr u64 used_bytes(u16 size) { return ring_entries + 8ull * size + 2; }

} // namespace kennel::service::wire
