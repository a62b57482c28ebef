// SPDX-License-Identifier: Apache-2.0
//
// See firmware.hpp. UEFI specification, "Services - Boot Services".
#include "boot/firmware.hpp"
#include "boot/instructions.hpp"
#include <array>
#include <cstring>

namespace kennel::boot {

namespace {

constexpr u64   map_buffer_size = 256 * 1024;   // bytes; maps of real machines stay below 50 KiB
constexpr usize most_ranges     = 4096;

constinit std::array<FirmwareRange, most_ranges> ranges{};

FirmwareUse use_of(u32 type)
{
    switch (type) {
    case EfiConventionalMemory:
    case EfiBootServicesCode:
    case EfiBootServicesData:
    case EfiLoaderCode:
    case EfiLoaderData:             return FirmwareUse::ram;      // free once the loader is done
    case EfiACPIReclaimMemory:
    case EfiACPIMemoryNVS:          return FirmwareUse::acpi;
    case EfiMemoryMappedIO:
    case EfiMemoryMappedIOPortSpace: return FirmwareUse::device;
    default:                        return FirmwareUse::reserved;
    }
}

abi::MemoryType type_of(u64 attributes)
{
    if ((attributes & EFI_MEMORY_WB) != 0)
        return abi::MemoryType::write_back;
    if ((attributes & EFI_MEMORY_WC) != 0)
        return abi::MemoryType::write_combining;
    return abi::MemoryType::uncached;
}

} // namespace

Firmware::Firmware(EFI_HANDLE image, EFI_SYSTEM_TABLE* system) : image_(image), system_(system), boot_(system->BootServices) {}

u64 Firmware::allocate(u64 size, u64 alignment, u64 limit)
{
    u64 const pages = (size + page_size - 1) / page_size;
    u64 const slack = alignment / page_size - 1;
    EFI_PHYSICAL_ADDRESS start = limit - 1;
    if (boot_->AllocatePages(AllocateMaxAddress, EfiLoaderData, pages + slack, &start) != EFI_SUCCESS)
        return 0;
    // The firmware knows no alignment: take more, give both ends back.
    u64 const base = (start + alignment - 1) & ~(alignment - 1);
    u64 const before = (base - start) / page_size;
    if (before > 0)
        boot_->FreePages(start, before);
    if (slack > before)
        boot_->FreePages(base + pages * page_size, slack - before);
    std::memset(reinterpret_cast<void*>(base), 0, pages * page_size);
    return base;
}

void Firmware::release(u64 base, u64 size)
{
    if (base != 0)
        boot_->FreePages(base, (size + page_size - 1) / page_size);
}

u64 Firmware::configuration_table(EFI_GUID guid) const
{
    for (UINTN i = 0; i < system_->NumberOfTableEntries; i++)
        if (std::memcmp(&system_->ConfigurationTable[i].VendorGuid, &guid, sizeof guid) == 0)
            return reinterpret_cast<u64>(system_->ConfigurationTable[i].VendorTable);
    return 0;
}

std::span<FirmwareRange const> Firmware::memory()
{
    if (map_buffer_ == 0)
        map_buffer_ = allocate(map_buffer_size, page_size, u64{1} << 32);
    if (map_buffer_ == 0)
        return {};
    UINTN size = map_buffer_size, step = 0;
    UINT32 version = 0;
    auto* const bytes = reinterpret_cast<u8*>(map_buffer_);
    if (boot_->GetMemoryMap(&size, reinterpret_cast<EFI_MEMORY_DESCRIPTOR*>(bytes), &map_key_, &step, &version) != EFI_SUCCESS)
        return {};
    if (step < sizeof(EFI_MEMORY_DESCRIPTOR) || size / step > most_ranges)
        return {};
    usize count = 0;
    for (UINTN offset = 0; offset + step <= size; offset += step) {   // `step` may be more than the descriptor we know
        EFI_MEMORY_DESCRIPTOR entry;
        std::memcpy(&entry, bytes + offset, sizeof entry);
        ranges[count++] = {
            .base = entry.PhysicalStart,
            .size = entry.NumberOfPages * page_size,
            .use  = use_of(entry.Type),
            .type = type_of(entry.Attribute),
        };
    }
    return {ranges.data(), count};
}

bool Firmware::leave() { return boot_->ExitBootServices(image_, map_key_) == EFI_SUCCESS; }

void Firmware::reset()
{
    system_->RuntimeServices->ResetSystem(EfiResetCold, EFI_LOAD_ERROR, 0, nullptr);
    for (;;)
        asm volatile("hlt");
}

} // namespace kennel::boot
