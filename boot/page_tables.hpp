// SPDX-License-Identifier: Apache-2.0
//
// Builds 4-level page tables in a given piece of memory: the transitional ones hv starts on, and those of each service.
// Pure: the tables' physical address is a number, so a host test can build and walk them. SDM, "4-Level Paging".
#pragma once
#include "hv/lib/types.hpp"
#include <span>

namespace kennel::boot {

inline constexpr u64 huge_page = u64{1} << 30;   // bytes

struct PageRights { bool writable = false, executable = false; };

class PageTables {
public:
    // `arena`: zeroed, page-aligned memory at `physical`; the first page becomes the root.
    PageTables(std::span<u8> arena, u64 physical) : arena_(arena), physical_(physical), used_(page_size) {}

    // Maps [virtual_base, virtual_base + size) to physical_base with the largest pages up to `largest` that fit.
    // All three numbers are multiples of 4 KiB. What is mapped already is split and changed, never lost.
    // False: the arena is used up.
    bool map(u64 virtual_base, u64 physical_base, u64 size, PageRights rights, u64 largest);

    u64 root() const { return physical_; }

    // Where an address leads: {physical, entry}, entry 0 = nowhere. For tests and the loader's own doubts.
    struct Walk { u64 physical, entry; };
    Walk walk(u64 virtual_address) const;

private:
    u64* table(u64 physical) const;
    u64* descend(u64* entry, u64 entry_covers);

    std::span<u8> arena_;
    u64           physical_;
    u64           used_;
};

} // namespace kennel::boot
