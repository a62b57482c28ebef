// SPDX-License-Identifier: Apache-2.0
//
// Bytes from one writer to one reader, on different CPUs or the same one, without a lock and never growing.
// A guest's output goes through one to the console's CPU, the console's input through one to the guest's.
#pragma once
#include "hv/lib/types.hpp"
#include <atomic>
#include <span>

namespace kennel::service {

class ByteRing {
public:
    constexpr ByteRing() = default;
    // The size must be a power of two.
    constexpr explicit ByteRing(std::span<u8> bytes) : bytes_{bytes.data()}, mask_{static_cast<u32>(bytes.size()) - 1} {}
    ByteRing& operator=(ByteRing const& other)      // before either side uses it
    {
        bytes_ = other.bytes_;
        mask_ = other.mask_;
        return *this;
    }

    // Writer's side.
    bool push(u8 byte)
    {
        u32 const at = written_.load(std::memory_order_relaxed);
        // Ordering: acquire pairs with pop's release: a slot is reused only after its byte was read.
        if (at - read_.load(std::memory_order_acquire) > mask_)
            return false;
        bytes_[at & mask_] = byte;
        // Ordering: release: the byte is there before it counts.
        written_.store(at + 1, std::memory_order_release);
        return true;
    }
    u32 room() const { return mask_ + 1 - (written_.load(std::memory_order_relaxed) - read_.load(std::memory_order_acquire)); }

    // Reader's side.
    u32  size() const { return written_.load(std::memory_order_acquire) - read_.load(std::memory_order_relaxed); }
    bool empty() const { return size() == 0; }
    u8   peek(u32 ahead) const { return bytes_[(read_.load(std::memory_order_relaxed) + ahead) & mask_]; }   // ahead < size()
    u8   pop()                                                                                                // not when empty
    {
        u32 const at = read_.load(std::memory_order_relaxed);
        u8 const byte = bytes_[at & mask_];
        read_.store(at + 1, std::memory_order_release);
        return byte;
    }

private:
    u8*  bytes_ = nullptr;
    u32  mask_  = ~0u;                              // without bytes: neither room nor content is asked for
    std::atomic<u32> written_{0}, read_{0};         // counts of bytes, modulo 2^32
};

} // namespace kennel::service
