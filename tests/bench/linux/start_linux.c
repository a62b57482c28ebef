// SPDX-License-Identifier: Apache-2.0
//
// A UEFI application that starts a Linux kernel the emulator has put into memory, with an initrd and arguments: for the bare machine that
// Kennel is compared with. (Firmware would read the files from a disk at a few sectors per emulated millisecond.) The first line of
// \arguments: address and size of the kernel, address and size of the initrd, in hexadecimal, and then the kernel's arguments.
// The kernel's own EFI stub does the rest; it asks for its initrd by the protocol given here.
#include "tests/bench/counting/marks.hpp"
#include <efi.h>
#include <efilib.h>

static EFI_STATUS fail(CHAR16 const* what, EFI_STATUS status)
{
    Print(L"start_linux: %s: %r\r\n", what, status);
    return status;
}

struct file { UINT8* address; UINTN size; };
static struct file kernel, initrd;

// The memory a file lies in is from here on nobody else's.
static EFI_STATUS keep(struct file const* file)
{
    EFI_PHYSICAL_ADDRESS at = (EFI_PHYSICAL_ADDRESS)file->address;
    return BS->AllocatePages(AllocateAddress, EfiLoaderData, (file->size + EFI_PAGE_SIZE - 1) / EFI_PAGE_SIZE, &at);
}

// UEFI specification, "EFI_LOAD_FILE2_PROTOCOL": asked once for the size, and once with a buffer.
static EFI_STATUS EFIAPI load_initrd(EFI_LOAD_FILE_PROTOCOL* self, EFI_DEVICE_PATH* path, BOOLEAN boot_policy, UINTN* size, VOID* buffer)
{
    (void)self;
    (void)path;
    if (boot_policy)
        return EFI_UNSUPPORTED;
    UINTN const room = *size;
    *size = initrd.size;
    if (!buffer || room < initrd.size)
        return EFI_BUFFER_TOO_SMALL;
    BS->CopyMem(buffer, initrd.address, initrd.size);
    return EFI_SUCCESS;
}

// Where Linux looks for it: a media device path of its vendor's GUID, LINUX_EFI_INITRD_MEDIA_GUID.
static struct { VENDOR_DEVICE_PATH vendor; EFI_DEVICE_PATH end; } initrd_path = {
    {{MEDIA_DEVICE_PATH, MEDIA_VENDOR_DP, {sizeof(VENDOR_DEVICE_PATH), 0}}, {0x5568e427, 0x68fc, 0x4f3d, {0xac, 0x74, 0xca, 0x55, 0x52, 0x31, 0xcc, 0x68}}},
    {END_DEVICE_PATH_TYPE, END_ENTIRE_DEVICE_PATH_SUBTYPE, {sizeof(EFI_DEVICE_PATH), 0}},
};
static EFI_LOAD_FILE_PROTOCOL initrd_loader = {load_initrd};
static EFI_GUID load_file_2 = {0x4006c0c1, 0xfcb3, 0x403e, {0x99, 0x6d, 0x4a, 0x6c, 0x87, 0x24, 0xe0, 0x6d}};

static UINTN take_number(CHAR8 const** at)
{
    UINTN value = 0;
    for (; **at > ' '; ++*at)
        value = value << 4 | (UINTN)(**at <= '9' ? **at - '0' : (**at | 0x20) - 'a' + 10);
    if (**at)
        ++*at;
    return value;
}

static EFI_STATUS read_arguments(EFI_HANDLE device, CHAR8* text, UINTN size)
{
    EFI_FILE_HANDLE const root = LibOpenRoot(device);
    EFI_FILE_HANDLE file;
    if (!root)
        return EFI_NOT_FOUND;
    EFI_STATUS status = root->Open(root, &file, L"\\arguments", EFI_FILE_MODE_READ, 0);
    if (!EFI_ERROR(status))
        status = file->Read(file, &size, text);
    text[EFI_ERROR(status) ? 0 : size] = 0;
    return status;
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE* table)
{
    static CHAR8 text[1024];
    static CHAR16 arguments[1024];
    InitializeLib(image, table);
    EFI_LOADED_IMAGE_PROTOCOL* loaded;
    EFI_STATUS status = BS->HandleProtocol(image, &LoadedImageProtocol, (void**)&loaded);
    if (EFI_ERROR(status))
        return fail(L"no loaded image", status);
    status = read_arguments(loaded->DeviceHandle, text, sizeof text - 1);
    if (EFI_ERROR(status))
        return fail(L"\\arguments", status);
    CHAR8 const* at = text;
    kernel.address = (UINT8*)take_number(&at);
    kernel.size = take_number(&at);
    initrd.address = (UINT8*)take_number(&at);
    initrd.size = take_number(&at);
    status = keep(&kernel);
    if (!EFI_ERROR(status))
        status = keep(&initrd);
    if (EFI_ERROR(status))
        return fail(L"the firmware uses the files' memory", status);
    UINTN length = 0;
    for (; at[length] >= ' '; length++)
        arguments[length] = at[length];

    EFI_HANDLE provider = NULL, started = NULL;
    status = BS->InstallMultipleProtocolInterfaces(&provider, &DevicePathProtocol, &initrd_path, &load_file_2, &initrd_loader, NULL);
    if (EFI_ERROR(status))
        return fail(L"the initrd cannot be offered", status);
    status = BS->LoadImage(FALSE, image, FileDevicePath(loaded->DeviceHandle, L"\\linux"), kernel.address, kernel.size, &started);
    if (EFI_ERROR(status))
        return fail(L"the kernel cannot be loaded", status);
    status = BS->HandleProtocol(started, &LoadedImageProtocol, (void**)&loaded);
    if (EFI_ERROR(status))
        return fail(L"the kernel's image", status);
    loaded->LoadOptions = arguments;
    loaded->LoadOptionsSize = (UINT32)((length + 1) * sizeof *arguments);
    kennel_mark(0);                                // from here on it is Linux that starts
    return fail(L"the kernel came back", BS->StartImage(started, NULL, NULL));
}
