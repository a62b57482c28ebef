// SPDX-License-Identifier: Apache-2.0
//
// The firmware's services as the loader uses them: memory, protocols, the memory map, and the way out.
// The only wrapper around EFI_BOOT_SERVICES; what it returns is plain numbers and spans.
#pragma once
#include "boot/memory_map.hpp"
#include "hv/lib/types.hpp"
#include <efi.h>
#include <span>
#include <string_view>

namespace kennel::boot {

// The firmware's strings are UCS-2. Text that does not fit is cut.
template <usize capacity> struct WideText {
    explicit WideText(std::string_view text, std::string_view more = {})
    {
        for (std::string_view const part : {text, more})
            for (char const c : part)
                if (length < capacity)
                    characters[length++] = static_cast<u8>(c);
    }
    CHAR16 characters[capacity + 1] = {};
    usize  length = 0;
};

class Firmware {
public:
    Firmware(EFI_HANDLE image, EFI_SYSTEM_TABLE* system);

    EFI_HANDLE        image() const  { return image_; }
    EFI_SYSTEM_TABLE& system() const { return *system_; }

    // Pages that survive leaving the firmware, zeroed; the address, or 0 when there are none. Sizes are rounded up to
    // pages, `alignment` is a power of two >= 4 KiB, and the whole range lies below `limit`.
    u64  allocate(u64 size, u64 alignment, u64 limit);
    void release(u64 base, u64 size);

    template <typename Protocol> Protocol* protocol(EFI_HANDLE handle, EFI_GUID guid) const
    {
        void* found = nullptr;
        return boot_->HandleProtocol(handle, &guid, &found) == EFI_SUCCESS ? static_cast<Protocol*>(found) : nullptr;
    }
    template <typename Protocol> Protocol* protocol(EFI_GUID guid) const
    {
        void* found = nullptr;
        return boot_->LocateProtocol(&guid, nullptr, &found) == EFI_SUCCESS ? static_cast<Protocol*>(found) : nullptr;
    }
    u64 configuration_table(EFI_GUID guid) const;   // physical address, 0 = none

    // The memory map of this moment; empty when it cannot be had. Valid until the next call.
    std::span<FirmwareRange const> memory();

    // Ends boot services for the map memory() returned last. False: the map has changed meanwhile, take it again.
    bool leave();

    [[noreturn]] void reset();

private:
    EFI_HANDLE         image_;
    EFI_SYSTEM_TABLE*  system_;
    EFI_BOOT_SERVICES* boot_;
    u64                map_buffer_ = 0;
    UINTN              map_key_ = 0;
};

} // namespace kennel::boot
