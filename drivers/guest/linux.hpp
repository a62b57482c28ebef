// SPDX-License-Identifier: Apache-2.0
//
// Puts a kernel, its initrd and its command line into a guest's RAM and says how the first processor starts.
// A bzImage by the 64-bit boot protocol, or an uncompressed ELF kernel (a vmlinux, or any program that is content with the same
// start: 64-bit mode, RAM at its own addresses, rsi = boot_params). Linux, Documentation/x86/boot.rst.
// The RAM must be zero. Every byte of the files is hostile.
#pragma once
#include "drivers/guest_memory.hpp"
#include "drivers/text.hpp"
#include "hv/abi/pages.hpp"
#include "hv/lib/elf.hpp"

namespace kennel::service {

enum class LoadError : u32 {
    kernel_missing, initrd_missing, not_a_kernel, no_header, old_protocol, not_loaded_high, no_64_bit_entry, bad_setup_size,
    command_line_too_long, bad_elf, segment_outside, needs_more_memory, initrd_does_not_fit, no_acpi_room,
};

struct LoadFault {
    LoadError error;
    u64       number = 0;        // needs_more_memory: bytes needed; command_line_too_long: bytes allowed; bad_elf: ElfError; ...
};

// "vmlinuz: ...": which file, what is wrong with it, what would be right.
Text describe(LoadFault const& fault, std::string_view kernel, std::string_view initrd);

struct LoadRequest {
    std::span<u8 const> kernel, initrd;      // initrd: empty = none
    std::string_view    command_line;
    u64                 rsdp;
};

struct LinuxEntry { u64 rip; };              // the rest of the start is the same for all: see start_state

Result<LinuxEntry, LoadFault> load_linux(GuestMemory const& memory, LoadRequest const& request);

// What stands for a BIOS: code at the reset vector that asks for a reset. Linux reboots by jumping there in real mode
// when its ACPI tables are hardware-reduced and there is no EFI. False: no RAM there.
bool write_reset_vector(GuestMemory const& memory);

// The state of the first processor: 64-bit mode, identity-mapped 4 GiB, flat segments, interrupts off.
// General registers are the caller's: rsi = layout::zero_page, rsp = layout::stack_top.
void start_state(abi::VcpuState& state, LinuxEntry const& entry);

} // namespace kennel::service
