// SPDX-License-Identifier: Apache-2.0
//
// What the loader tells the hypervisor: written once by boot/, read once by hv/ at start.
// It lies inside the hypervisor's own block, so hv needs no other memory to read it.
//
// How the machine looks when hv's entry is called (once, on the boot CPU, interrupts off, long mode):
//   rdi            virtual address of BootInfo (inside the block)
//   CR3            transitional tables: identity map of the first 4 GiB and of all RAM, and the block
//                  [block_base, block_base + block_size) at virtual_base, all writable and executable.
//                  hv replaces them by its own before anything else runs.
//   stack          valid for a few hundred bytes only; start.S switches to hv's own at once.
// The block: [image | BootInfo | pool], physically contiguous, 2 MiB-aligned, below 4 GiB.
#pragma once
#include "hv/lib/types.hpp"

namespace kennel::abi {

inline constexpr u64 boot_info_magic   = 0x544f4f424c4e4e4b;  // "KNNLBOOT"
inline constexpr u32 boot_info_version = 1;
inline constexpr u64 image_virtual_base = 0xffff'ffff'8000'0000;  // hv and service images are both linked here

inline constexpr u32 max_cpus         = 32;
inline constexpr u32 max_services     = 4;
inline constexpr u32 max_modules      = 32;   // per service
inline constexpr u32 max_ranges       = 160;
inline constexpr u32 max_io_apics     = 8;
inline constexpr u32 max_line_overrides = 16;

// The memory type of a range, in the encoding EPT entries use. SDM, "EPT Memory Types".
enum class MemoryType : u32 { uncached = 0, write_combining = 1, write_back = 6 };

enum class MemoryKind : u32 {
    reserved   = 0,  // firmware's or broken: nobody gets it
    hypervisor = 1,  // hv's block and its trampoline page
    service    = 2,  // RAM of services[owner], 2 MiB-aligned at both ends
    device     = 3,  // not RAM: registers of devices, given to the service that owns the devices
    acpi       = 4,  // ACPI tables: readable by the service that owns the devices
};

struct MemoryRange {          // sorted by base, never overlapping
    u64        base;          // host physical, bytes, 4 KiB-aligned
    u64        size;          // bytes, 4 KiB multiple
    MemoryKind kind;
    MemoryType type;
    u32        owner;         // index into services, for MemoryKind::service
    u32        reserved;
};

struct Module {               // a file the loader put into a service's RAM
    u64  base;                // host physical = the service's guest physical; 4 KiB-aligned
    u64  size;                // bytes
    char name[48];            // as in the manifest, NUL-terminated
};

// A service partition as the loader prepared it. hv starts its vCPU 0 in 64-bit mode with these registers;
// vCPU n > 0 starts at the same rip with stack_top - n * stack_stride. All see rdi = GPA of the info page,
// rsi = the vCPU's index. The tables at cr3 map the image at image_virtual_base and the identity below.
struct ServiceImage {
    u64    block_base;        // host physical; image, stacks, page tables, modules; 2 MiB-aligned
    u64    block_size;        // bytes, 2 MiB multiple
    u64    executable_base;   // host physical: the only executable range of the partition
    u64    executable_size;   // bytes, 4 KiB multiple
    u64    rip, cr3;
    u64    stack_top;         // virtual
    u64    stack_stride;      // bytes between the stacks of two vCPUs
    u32    owns_devices;      // 1: ports, device registers and physical interrupts may be bound by it
    u32    module_count;
    Module modules[max_modules];
};

struct Processor { u32 apic_id; u32 is_boot; };
struct IoApic    { u64 address; u32 first_line; u32 reserved; };
struct LineOverride { u32 isa_line; u32 global_line; u32 level; u32 active_low; };  // MADT, "Interrupt Source Override"

enum class PixelFormat : u32 { none = 0, rgbx = 1, bgrx = 2 };
struct Framebuffer {
    u64 base, size; u32 width, height, stride /* pixels */; PixelFormat format;
    // There is one, and every pixel lies in it.
    constexpr bool fits() const { return format != PixelFormat::none && width <= stride && u64{4} * stride * height <= size; }
};

enum class AddressSpace : u32 { none = 0xffff, memory = 0, port = 1, pci = 2 };
struct PowerControl {
    AddressSpace reset_space; u32 reset_value; u64 reset_address;  // FADT RESET_REG
    u16 pm1a_control, pm1b_control;                                // ports; 0 = absent
    u8  sleep_a, sleep_b;                                          // SLP_TYP for S5
    u8  sleep_known;
    u8  emulator_exit;                                             // 1: Bochs's port 0x8900 ends the emulator (manifest option)
};

struct BootInfo {
    u64 magic;
    u32 version;
    u32 size;                      // sizeof(BootInfo)
    u64 block_base, block_size;    // host physical, bytes
    u64 image_size;                // bytes; BootInfo follows at the next page
    u64 pool_base, pool_size;      // host physical, bytes: what is left of the block, 4 KiB-aligned
    u64 trampoline;                // host physical page below 1 MiB, for starting CPUs
    u64 tsc_hz;
    u64 wall_clock_ns;             // since 1970-01-01 UTC ...
    u64 wall_clock_tsc;            // ... at this TSC value
    u64 rsdp;                      // host physical, 0 = none
    u16 log_port;                  // I/O base of hv's 16550, 0 = none
    u16 console_port;              // I/O base of the service's 16550, 0 = none
    u8  log_until_service;         // 1: log_port is also the service's: hv writes only until the service starts, and when it panics
    u8  trust_guests;              // 1: 2 MiB executable leaves even where the iTLB multihit erratum may exist
    u8  reserved0[2];
    u32 cpu_count, io_apic_count, override_count, service_count, range_count;
    u32 reserved1;
    PowerControl power;
    Framebuffer  screen;
    Processor    cpus[max_cpus];   // [0] is the boot CPU
    IoApic       io_apics[max_io_apics];
    LineOverride overrides[max_line_overrides];
    MemoryRange  ranges[max_ranges];
    ServiceImage services[max_services];
    char         build_id[48];
};

static_assert(sizeof(MemoryRange) == 32 && sizeof(Module) == 64 && sizeof(IoApic) == 16);
static_assert(sizeof(ServiceImage) == 72 + 64 * max_modules);
static_assert(sizeof(BootInfo) < 8 * page_size);

} // namespace kennel::abi
