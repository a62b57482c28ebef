// SPDX-License-Identifier: Apache-2.0
//
// See shared_area.hpp.
#include "drivers/shared_area.hpp"
#include "hv/abi/pages.hpp"

namespace kennel::service {

SharedArea::SharedArea(Recipe const& recipe) : recipe_{recipe}, size_{whole(recipe.content.size(), large_page)} {}

u64 SharedArea::content_pages() const { return whole(recipe_.content.size(), page_size); }

// A table for each 2 MiB, one above it for each GiB; both may begin in the middle of a larger one.
u64 SharedArea::frames() const
{
    constexpr u64 gibibyte = 1ull << 30, above = 4;
    return size_ / large_page + size_ / gibibyte + above;
}

Status SharedArea::map(u64 offset, u8 const* host, u64 bytes) const
{
    return memory_map(partition_, recipe_.address + offset, reinterpret_cast<u64>(host), bytes, shared_rights);
}

Status SharedArea::attach(u64 partition)
{
    partition_ = partition;
    touches_ = 0;
    if (recipe_.lazy)
        return Status::ok;
    Status status = map(0, recipe_.content.data(), content_pages());
    for (u64 offset = content_pages(); status == Status::ok && offset < size_; offset += page_size)
        status = map(offset, recipe_.zeroes.data(), page_size);
    return status;
}

void SharedArea::detach()
{
    if (partition_)
        static_cast<void>(memory_unmap(partition_, recipe_.address, size_));   // fails only for a handle that is not ours
    partition_ = 0;
}

Status SharedArea::touch(u64 address)
{
    u64 const offset = (address - recipe_.address) & ~(page_size - 1);
    touches_++;
    Status const status = map(offset, offset < content_pages() ? recipe_.content.data() + offset : recipe_.zeroes.data(), page_size);
    return status == Status::overlap ? Status::ok : status;   // it is there: the access will succeed
}

void SharedArea::revoke()
{
    if (partition_ && recipe_.lazy)
        static_cast<void>(memory_unmap(partition_, recipe_.address, size_));
}

u64 SharedArea::read(u64 address, u32 size) const
{
    u64 const offset = address - recipe_.address;
    u64 value = 0;
    for (u32 i = 0; i < size; i++) {
        u64 const byte = offset + i >= size_ ? 0xff : offset + i < recipe_.content.size() ? recipe_.content[offset + i] : 0;
        value |= byte << 8 * i;
    }
    return value;
}

} // namespace kennel::service
