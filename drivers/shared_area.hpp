// SPDX-License-Identifier: Apache-2.0
//
// A range of a guest's addresses beside its RAM that shows memory of the service: the same frames to every guest that has it, to be read and
// executed, never written. Nothing is copied. Two ways to map it:
//
//   as a whole      before the guest runs; it costs no exit
//   page by page    the guest's first touch of a page is an intercept, touch() maps the page, and it costs no exit any more
//
// revoke() takes pages back; when it returns, no CPU has a translation of them left.
#pragma once
#include "drivers/hypercalls.hpp"
#include <span>

namespace kennel::service {

class SharedArea {
public:
    // Linux gives memory page structures by sections of so many bytes: an area that begins one shares none with RAM. Bytes.
    static constexpr u64 section = 128 << 20;

    struct Recipe {
        std::span<u8 const> content;                  // begins on a page; the rest of its last page is zero
        std::span<u8 const> zeroes;                   // a page of them: what is seen behind the content
        u64  address;                                 // guest physical, a multiple of `section`
        bool lazy;                                    // page by page
    };
    explicit SharedArea(Recipe const& recipe);

    // Rounded up; `unit`: a power of two.
    static constexpr u64 whole(u64 bytes, u64 unit) { return (bytes + unit - 1) & ~(unit - 1); }

    u64  address() const { return recipe_.address; }
    u64  size() const { return size_; }               // bytes: the content's, rounded up to 2 MiB
    u64  end() const { return recipe_.address + size_; }
    bool contains(u64 address) const { return address - recipe_.address < size_; }
    u64  frames() const;                              // of hv's, for its tables in a guest's pool: the most it takes
    u64  touches() const { return touches_; }         // since attach()

    // The guest's partition, once for each run of it. What was mapped of a failed attach() goes with the partition.
    Status attach(u64 partition);
    void   detach();                                  // nothing of it is mapped any more
    // The guest touched the page of `address`, inside the area, and found nothing.
    Status touch(u64 address);
    // All of an area that is mapped page by page: each page's next touch is a first one again. The others stay as they are.
    void   revoke();

    // What the guest would read. Ones where the area ends.
    u64 read(u64 address, u32 size) const;

private:
    u64    content_pages() const;                     // bytes
    Status map(u64 offset, u8 const* host, u64 bytes) const;

    Recipe recipe_;
    u64    size_;
    u64    partition_ = 0;                            // handle; 0: the guest does not run
    u64    touches_ = 0;
};

} // namespace kennel::service
