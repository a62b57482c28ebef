// SPDX-License-Identifier: Apache-2.0
//
// Places an ELF image, linked at image_virtual_base, into the physical block it will run in: the hypervisor and the
// services alike. Pure: the block is a span, so a host test can place images into ordinary memory.
#pragma once
#include "hv/abi/boot_info.hpp"
#include "hv/lib/elf.hpp"

namespace kennel::boot {

enum class ImageError : u32 { outside, too_large, write_and_execute, pages_shared, several_texts, no_text };
char const* describe(ImageError error);

// An image's shape, known before there is a block for it.
struct ImageLayout {
    u64 size = 0;                       // bytes from image_virtual_base to the end of the last segment's last page
    u64 text_offset = 0, text_size = 0; // the only executable pages, relative to image_virtual_base
};

// Every segment inside [image_virtual_base, + largest), none both writable and executable, no page with two kinds of
// rights, exactly one executable segment.
Result<ImageLayout, ImageError> lay_out(ElfImage const& image, u64 largest);

// Copies the segments; `block` is zeroed and at least layout.size bytes long.
void place(ElfImage const& image, std::span<u8> block);

// The pages of a segment, relative to image_virtual_base. Only for images that lay_out accepted.
struct PageRange { u64 offset, size; };
PageRange pages_of(ElfSegment const& segment);

} // namespace kennel::boot
