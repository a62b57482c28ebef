// SPDX-License-Identifier: Apache-2.0
//
// See image.hpp.
#include "boot/image.hpp"
#include <cstring>

namespace kennel::boot {

char const* describe(ImageError error)
{
    switch (error) {
    case ImageError::outside:           return "a segment lies below the address Kennel's images are linked at";
    case ImageError::too_large:         return "it is too large";
    case ImageError::write_and_execute: return "a segment is both writable and executable";
    case ImageError::pages_shared:      return "two segments with different rights share a page";
    case ImageError::several_texts:     return "it has more than one executable segment";
    case ImageError::no_text:           return "its entry point lies outside its executable segment";
    }
    return "unknown fault";
}

PageRange pages_of(ElfSegment const& segment)
{
    u64 const offset = (segment.virtual_base - abi::image_virtual_base) & ~(page_size - 1);
    u64 const stop = segment.virtual_base - abi::image_virtual_base + segment.memory_size;
    return {offset, ((stop + page_size - 1) & ~(page_size - 1)) - offset};
}

Result<ImageLayout, ImageError> lay_out(ElfImage const& image, u64 largest)
{
    ImageLayout layout;
    auto const segments = image.segments();
    for (usize i = 0; i < segments.size(); i++) {
        ElfSegment const& segment = segments[i];
        if (segment.virtual_base < abi::image_virtual_base)
            return std::unexpected(ImageError::outside);
        u64 const offset = segment.virtual_base - abi::image_virtual_base;
        if (offset > largest || segment.memory_size > largest - offset)
            return std::unexpected(ImageError::too_large);
        if (segment.writable && segment.executable)
            return std::unexpected(ImageError::write_and_execute);

        PageRange const pages = pages_of(segment);
        for (ElfSegment const& other : segments.first(i)) {
            PageRange const theirs = pages_of(other);
            bool const apart = pages.offset >= theirs.offset + theirs.size || theirs.offset >= pages.offset + pages.size;
            if (!apart && (segment.writable != other.writable || segment.executable != other.executable))
                return std::unexpected(ImageError::pages_shared);
        }
        if (segment.executable) {
            if (layout.text_size != 0)
                return std::unexpected(ImageError::several_texts);
            layout.text_offset = pages.offset;
            layout.text_size = pages.size;
        }
        if (pages.offset + pages.size > layout.size)
            layout.size = pages.offset + pages.size;
    }
    // ElfImage accepts a physical entry as kernels have it; ours is called by its virtual address.
    if (image.entry() < abi::image_virtual_base + layout.text_offset ||
        image.entry() - abi::image_virtual_base - layout.text_offset >= layout.text_size)
        return std::unexpected(ImageError::no_text);
    return layout;
}

void place(ElfImage const& image, std::span<u8> block)
{
    for (ElfSegment const& segment : image.segments())
        if (!segment.data.empty())
            std::memcpy(block.data() + (segment.virtual_base - abi::image_virtual_base), segment.data.data(), segment.data.size());
}

} // namespace kennel::boot
