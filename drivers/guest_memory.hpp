// SPDX-License-Identifier: Apache-2.0
//
// A guest's RAM as the service may touch it: every access names a guest physical address and is bounded here, nowhere
// else. Control words are copied once or read by one atomic load, never referenced; span() is for data that is moved
// and not looked at (loading images, DMA).
// Layout: RAM from 0 up to device_hole, the rest from 4 GiB up; the hole belongs to devices. A guest's RAM may lie in
// several extents of the service, so a part is what is contiguous in both.
#pragma once
#include "hv/lib/types.hpp"
#include <algorithm>
#include <concepts>
#include <cstring>
#include <optional>
#include <span>

namespace kennel::service {

inline constexpr u64 device_hole = 0xc000'0000;      // bytes; below it RAM, from it to 4 GiB devices
inline constexpr u64 high_memory = 0x1'0000'0000;

// Eight bytes of a guest's RAM that were looked at before, and may be looked at again only to see whether they are still
// what they were. Valid while the guest's RAM is: from its start to its end.
class SeenWord {
public:
    SeenWord() = default;
    u64  seen() const { return seen_; }
    bool unchanged(u64 mask = ~0ull) const
    {
        u64 now;
        __builtin_memcpy(&now, place_, sizeof now);
        return ((now ^ seen_) & mask) == 0;
    }

private:
    friend class GuestMemory;
    explicit SeenWord(u8 const* place) : place_{place} { __builtin_memcpy(&seen_, place, sizeof seen_); }

    u8 const* place_ = nullptr;
    u64       seen_ = 0;
};

class GuestMemory {
public:
    static constexpr usize max_parts = 9;             // eight extents, and one of them cut at the hole

    struct Part { u64 guest, size; u8* host; };

    // Behind what was added before. False: too many parts.
    bool add(u8* host, u64 size);
    void clear() { count_ = 0; low_ = high_ = 0; }

    std::span<Part const> parts() const { return {parts_, count_}; }
    u64 low_size() const { return low_; }             // bytes from 0
    u64 high_size() const { return high_; }           // bytes from 4 GiB

    bool contains(u64 address, u64 size) const { return at(address, size) != nullptr; }

    // The builtin becomes one move for a word; the library's function, for freestanding code, would be a call and a loop.
    template<class T> bool copy_in(u64 address, T& value) const
    {
        u8 const* from = at(address, sizeof value);
        if (!from)
            return false;
        __builtin_memcpy(&value, from, sizeof value);
        return true;
    }
    template<class T> bool copy_out(u64 address, T const& value) const
    {
        u8* to = at(address, sizeof value);
        if (!to)
            return false;
        __builtin_memcpy(to, &value, sizeof value);
        return true;
    }

    // One access of the processor's, so that it is never seen half-done. False or nothing: outside, or not aligned.
    // Ordering: acquire and release, for words that hand over what lies beside them (versions, ring indices).
    template<std::unsigned_integral T> std::optional<T> load_acquire(u64 address) const
    {
        u8 const* from = address % sizeof(T) == 0 ? at(address, sizeof(T)) : nullptr;
        if (!from)
            return std::nullopt;
        return __atomic_load_n(reinterpret_cast<T const*>(from), __ATOMIC_ACQUIRE);
    }
    template<std::unsigned_integral T> bool store_release(u64 address, T value) const
    {
        u8* to = address % sizeof(T) == 0 ? at(address, sizeof(T)) : nullptr;
        if (!to)
            return false;
        __atomic_store_n(reinterpret_cast<T*>(to), value, __ATOMIC_RELEASE);
        return true;
    }

    std::optional<SeenWord> look(u64 address) const
    {
        u8 const* place = at(address, sizeof(u64));
        return place ? std::optional{SeenWord{place}} : std::nullopt;
    }

    // Empty: not all of it is RAM, or it lies in two parts.
    std::span<u8> span(u64 address, u64 size) const
    {
        u8* first = at(address, size);
        return first ? std::span<u8>{first, size} : std::span<u8>{};
    }

    // As much as lies in one piece from there on, at most `most`. Empty: no RAM there.
    std::span<u8> piece(u64 address, u64 most) const
    {
        for (usize i = 0; i < count_; i++) {
            u64 const offset = address - parts_[i].guest;
            if (offset < parts_[i].size)
                return {parts_[i].host + offset, std::min(most, parts_[i].size - offset)};
        }
        return {};
    }

private:
    u8* at(u64 address, u64 size) const
    {
        for (usize i = 0; i < count_; i++) {
            u64 const offset = address - parts_[i].guest;
            if (offset < parts_[i].size && size <= parts_[i].size - offset)
                return parts_[i].host + offset;
        }
        return nullptr;
    }

    bool add_part(u64 guest, u8* host, u64 size);

    Part  parts_[max_parts] = {};
    usize count_ = 0;
    u64   low_ = 0, high_ = 0;
};

} // namespace kennel::service
