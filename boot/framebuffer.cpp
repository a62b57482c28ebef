// SPDX-License-Identifier: Apache-2.0
//
// See framebuffer.hpp. UEFI specification, "Graphics Output Protocol".
#include "boot/framebuffer.hpp"

namespace kennel::boot {

namespace {

constexpr EFI_GUID graphics_output{0x9042a9de, 0x23dc, 0x4a38, {0x96, 0xfb, 0x7a, 0xde, 0xd0, 0x80, 0x51, 0x6a}};

abi::PixelFormat format_of(EFI_GRAPHICS_OUTPUT_MODE_INFORMATION const& mode)
{
    if (mode.PixelFormat == PixelRedGreenBlueReserved8BitPerColor)
        return abi::PixelFormat::rgbx;
    if (mode.PixelFormat == PixelBlueGreenRedReserved8BitPerColor)
        return abi::PixelFormat::bgrx;
    if (mode.PixelFormat != PixelBitMask || mode.PixelInformation.GreenMask != 0xff00)
        return abi::PixelFormat::none;
    if (mode.PixelInformation.RedMask == 0xff && mode.PixelInformation.BlueMask == 0xff'0000)
        return abi::PixelFormat::rgbx;
    if (mode.PixelInformation.RedMask == 0xff'0000 && mode.PixelInformation.BlueMask == 0xff)
        return abi::PixelFormat::bgrx;
    return abi::PixelFormat::none;
}

} // namespace

abi::Framebuffer find_framebuffer(Firmware const& firmware)
{
    constexpr u32 most_pixels = 16384;   // in a line, or lines
    auto const* const output = firmware.protocol<EFI_GRAPHICS_OUTPUT_PROTOCOL>(graphics_output);
    if (output == nullptr || output->Mode == nullptr || output->Mode->Info == nullptr)
        return {};
    EFI_GRAPHICS_OUTPUT_MODE_INFORMATION const& mode = *output->Mode->Info;
    abi::Framebuffer const screen{
        .base   = output->Mode->FrameBufferBase,
        .size   = output->Mode->FrameBufferSize,
        .width  = mode.HorizontalResolution,
        .height = mode.VerticalResolution,
        .stride = mode.PixelsPerScanLine,
        .format = format_of(mode),
    };
    bool const sound = screen.fits() && screen.base != 0 && screen.base % page_size == 0 && screen.width > 0 && screen.stride <= most_pixels &&
                       screen.height > 0 && screen.height <= most_pixels && screen.size < u64{1} << 40;
    return sound ? screen : abi::Framebuffer{};
}

} // namespace kennel::boot
