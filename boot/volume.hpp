// SPDX-License-Identifier: Apache-2.0
//
// Files from the volume the loader was started from, in the folder \kennel.
#pragma once
#include "boot/firmware.hpp"
#include "hv/lib/result.hpp"
#include <span>

namespace kennel::boot {

enum class FileError : u32 { no_volume, missing, is_folder, empty, too_large, unreadable, truncated, no_memory };
char const* describe(FileError error);

class Volume {
public:
    explicit Volume(Firmware& firmware);
    ~Volume();
    Volume(Volume const&) = delete;
    Volume& operator=(Volume const&) = delete;

    Result<u64, FileError> size_of(char const* name);                       // bytes
    Result<void, FileError> read_into(char const* name, std::span<u8> to);  // the whole file, exactly as long as `to`

    // The whole file in memory of its own; release() gives it back.
    Result<std::span<u8>, FileError> read(char const* name, u64 largest);
    void release(std::span<u8> file);

private:
    Result<EFI_FILE_HANDLE, FileError> open(char const* name);
    static Result<u64, FileError> size_of(EFI_FILE_HANDLE file);
    static Result<void, FileError> read_all(EFI_FILE_HANDLE file, std::span<u8> to);

    Firmware&       firmware_;
    EFI_FILE_HANDLE root_ = nullptr;
};

} // namespace kennel::boot
