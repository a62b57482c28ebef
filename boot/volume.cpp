// SPDX-License-Identifier: Apache-2.0
//
// See volume.hpp. UEFI specification, "File Protocol".
#include "boot/volume.hpp"

namespace kennel::boot {

namespace {

constexpr EFI_GUID loaded_image{0x5b1b31a1, 0x9562, 0x11d2, {0x8e, 0x3f, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b}};
constexpr EFI_GUID file_system{0x964e5b22, 0x6459, 0x11d2, {0x8e, 0x39, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b}};
constexpr EFI_GUID file_info{0x09576e92, 0x6d3f, 0x11d2, {0x8e, 0x39, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b}};

constexpr u64 chunk = 4 * 1024 * 1024;   // bytes; some firmware fails on single reads of everything

struct Closer {
    EFI_FILE_HANDLE file;
    ~Closer() { file->Close(file); }
};

} // namespace

char const* describe(FileError error)
{
    switch (error) {
    case FileError::no_volume:  return "the volume Kennel was started from cannot be read";
    case FileError::missing:    return "not found";
    case FileError::is_folder:  return "is a folder";
    case FileError::empty:      return "is empty";
    case FileError::too_large:  return "is too large";
    case FileError::unreadable: return "cannot be read: the volume reports an error";
    case FileError::truncated:  return "is shorter than its folder says";
    case FileError::no_memory:  return "does not fit into the memory that is free";
    }
    return "unknown fault";
}

Volume::Volume(Firmware& firmware) : firmware_(firmware)
{
    auto* const image = firmware.protocol<EFI_LOADED_IMAGE>(firmware.image(), loaded_image);
    if (image == nullptr)
        return;
    auto* const files = firmware.protocol<EFI_FILE_IO_INTERFACE>(image->DeviceHandle, file_system);
    if (files == nullptr || files->OpenVolume(files, &root_) != EFI_SUCCESS)
        root_ = nullptr;
}

Volume::~Volume()
{
    if (root_ != nullptr)
        root_->Close(root_);
}

Result<EFI_FILE_HANDLE, FileError> Volume::open(char const* name)
{
    if (root_ == nullptr)
        return std::unexpected(FileError::no_volume);
    WideText<64> path("\\kennel\\", name);
    EFI_FILE_HANDLE file = nullptr;
    EFI_STATUS const status = root_->Open(root_, &file, path.characters, EFI_FILE_MODE_READ, 0);
    if (status == EFI_NOT_FOUND)
        return std::unexpected(FileError::missing);
    if (status != EFI_SUCCESS)
        return std::unexpected(FileError::unreadable);
    return file;
}

Result<u64, FileError> Volume::size_of(EFI_FILE_HANDLE file)
{
    alignas(EFI_FILE_INFO) u8 buffer[sizeof(EFI_FILE_INFO) + 256 * sizeof(CHAR16)];
    UINTN size = sizeof buffer;
    EFI_GUID guid = file_info;
    if (file->GetInfo(file, &guid, &size, buffer) != EFI_SUCCESS)
        return std::unexpected(FileError::unreadable);
    auto const* const info = reinterpret_cast<EFI_FILE_INFO const*>(buffer);
    if ((info->Attribute & EFI_FILE_DIRECTORY) != 0)
        return std::unexpected(FileError::is_folder);
    if (info->FileSize == 0)
        return std::unexpected(FileError::empty);
    return info->FileSize;
}

Result<void, FileError> Volume::read_all(EFI_FILE_HANDLE file, std::span<u8> to)
{
    while (!to.empty()) {
        UINTN part = to.size() < chunk ? to.size() : chunk;
        if (file->Read(file, &part, to.data()) != EFI_SUCCESS)
            return std::unexpected(FileError::unreadable);
        if (part == 0 || part > to.size())
            return std::unexpected(FileError::truncated);
        to = to.subspan(part);
    }
    return {};
}

Result<u64, FileError> Volume::size_of(char const* name)
{
    auto const file = open(name);
    if (!file)
        return std::unexpected(file.error());
    Closer const closer{*file};
    return size_of(*file);
}

Result<void, FileError> Volume::read_into(char const* name, std::span<u8> to)
{
    auto const file = open(name);
    if (!file)
        return std::unexpected(file.error());
    Closer const closer{*file};
    return read_all(*file, to);
}

Result<std::span<u8>, FileError> Volume::read(char const* name, u64 largest)
{
    auto const file = open(name);
    if (!file)
        return std::unexpected(file.error());
    Closer const closer{*file};
    auto const size = size_of(*file);
    if (!size)
        return std::unexpected(size.error());
    if (*size > largest)
        return std::unexpected(FileError::too_large);
    u64 const base = firmware_.allocate(*size, page_size, u64{1} << 32);
    if (base == 0)
        return std::unexpected(FileError::no_memory);
    std::span<u8> const bytes{reinterpret_cast<u8*>(base), *size};
    if (auto const done = read_all(*file, bytes); !done) {
        firmware_.release(base, *size);
        return std::unexpected(done.error());
    }
    return bytes;
}

void Volume::release(std::span<u8> file) { firmware_.release(reinterpret_cast<u64>(file.data()), file.size()); }

} // namespace kennel::boot
