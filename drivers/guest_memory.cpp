// SPDX-License-Identifier: Apache-2.0
//
// See guest_memory.hpp.
#include "drivers/guest_memory.hpp"

namespace kennel::service {

bool GuestMemory::add_part(u64 guest, u8* host, u64 size)
{
    if (count_ == max_parts)
        return false;
    parts_[count_++] = {guest, size, host};
    return true;
}

bool GuestMemory::add(u8* host, u64 size)
{
    u64 const below = std::min(size, device_hole - low_);
    if (below && !add_part(low_, host, below))
        return false;
    low_ += below;
    if (size > below && !add_part(high_memory + high_, host + below, size - below))
        return false;
    high_ += size - below;
    return true;
}

} // namespace kennel::service
