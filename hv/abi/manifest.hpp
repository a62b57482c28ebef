// SPDX-License-Identifier: Apache-2.0
//
// \kennel\manifest on the EFI system partition: which files belong to whom, and the guests to start.
// Written by tools/kennel, read by boot/ (files, services, machine options) and by drivers/ (guests). Little-endian, packed by
// natural alignment: header, then files[file_count], services[service_count], guests[guest_count], disks[disk_count], networks, cards, then text.
// hv never sees it. Every reader checks magic, version, size, checksum, counts and every index before use (ManifestReader; disks and networks
// are the business of the service that makes them: drivers/block/disk_recipe.hpp, drivers/net/network_recipe.hpp).
#pragma once
#include "hv/abi/boot_info.hpp"

namespace kennel::abi {

inline constexpr u64 manifest_magic   = 0x46494e414d4c4e4b;  // "KNLMANIF"
inline constexpr u32 manifest_version = 4;
inline constexpr u32 max_guests       = 32;
inline constexpr u32 max_disks        = 64;                  // of all guests
inline constexpr u32 max_networks     = 16, max_cards = 64, max_forwards = 8;   // forwards: to one card
inline constexpr u32 no_file          = 0xffff'ffff;
inline constexpr u32 any_cpu          = 0xffff'ffff;

enum class MachineOption : u32 {
    emulator_exit  = 1,   // end Bochs by port 0x8900 when the machine is powered off
    trust_guests   = 2,   // 2 MiB executable leaves (BootInfo.trust_guests)
    verbose        = 4,
    log_on_console = 8,   // the machine has one serial port: COM1
};

struct ManifestHeader {
    u64 magic;
    u32 version;
    u32 size;                       // of the whole manifest, bytes
    u32 checksum;                   // CRC-32 (IEEE) of everything after this field
    u32 options;                    // MachineOption bits
    u32 file_count, service_count, guest_count, disk_count;
    u32 text_offset, text_size;     // command lines, NUL-terminated each
    struct { u32 networks, cards, reserved[2]; } counts;
};

struct ManifestFile {               // \kennel\<name>
    char name[48];                  // printable ASCII without '\\' and '/', NUL-terminated
    u32  service;                   // whose module it becomes; bit s set: services[s] gets a copy
    u32  reserved;
    u64  size;                      // bytes, for a check against the file found; 0 = any
};

struct ManifestService {
    char name[16];
    u64  memory;                    // bytes, 2 MiB multiple; 0 = all that is left (at most one service)
    u32  owns_devices;              // exactly one service has 1
    u32  reserved;
};

enum class StopPolicy : u32 { stop = 0, restart = 1, hold = 2 };

struct ManifestGuest {
    char name[32];
    u64  memory;                    // bytes, 2 MiB multiple
    u32  service;
    u32  kernel, initrd;            // indices into files; no_file = none
    u32  command_line;              // offset from text_offset
    u32  cpu;                       // physical CPU index, or any_cpu
    u32  weight;                    // 1..1000
    StopPolicy policy;
    u32  options;                   // GuestOption bits
};
enum class GuestOption : u32 { attached = 1 /* console input goes here first */ };

enum class MediumKind : u32 { memory = 0, module = 1, drive = 2, area = 3 };
enum class DiskOption : u32 { read_only = 1, write_through = 2, by_label = 4, by_uuid = 8, lazy = 16 /* an area: page by page on first touch */ };

struct ManifestDisk {               // a guest's disks are vda, vdb, ..., its areas pmem0, pmem1, ... in the order of this table
    char serial[20];                // as the guest sees it: printable ASCII; NUL where it is shorter
    u32  guest;
    MediumKind kind;                // blank RAM, a file's bytes in RAM, a drive of the machine; a file's bytes shown in the guest's memory, read-only
    u32  source;                    // module, area: index into files; drive: IDE channel * 2 + unit
    u32  options;                   // DiskOption bits; by_...: only this partition of it
    u32  reserved;
    u64  bytes;                     // of blank RAM
    u64  overlay;                   // bytes of RAM that keep what is written, so that the medium never changes; 0 = none
    char partition[40];             // its label (1 to 36 ASCII characters), or the 16 bytes of its UUID as on the disk
};

// isolated: the guests and the service, which gives addresses and names. nat: and a way out under the service's address there. bridge: the
// guests are on the wire of the machine's card, and the service stays out of it.
enum class NetworkMode : u32 { isolated = 0, nat = 1, bridge = 2 };
// `name`: a label of DNS; `service`: whose guests have cards on it; `subnet`: IPv4, a /24, first byte uppermost.
struct ManifestNetwork { char name[16]; NetworkMode mode; u32 service, subnet, reserved; };

enum class CardOption : u32 { any_source = 1 /* it may send under other addresses than its own */ };
// A guest's network cards are eth0, eth1, ... in the order of this table. `address`: of hardware, not a group's; `mtu`: 68..9000.
struct ManifestCard { u32 guest, network; u8 address[6]; u16 mtu; u32 options, reserved; struct { u16 port, guest_port; u32 protocol; } forwards[max_forwards]; };
// `forwards`, on nat networks: a port of the service's address outside -> the guest's; IP's number of TCP or UDP; port 0: none.

static_assert(sizeof(ManifestNetwork) == 32 && sizeof(ManifestCard) == 88 && sizeof(ManifestDisk) == 96 && sizeof(ManifestHeader) == 64 && sizeof(ManifestFile) == 64 && sizeof(ManifestService) == 32 && sizeof(ManifestGuest) == 72);

} // namespace kennel::abi
