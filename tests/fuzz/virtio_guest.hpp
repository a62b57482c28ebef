// SPDX-License-Identifier: Apache-2.0
//
// A driver of anybody's making, for fuzzers of virtio devices: RAM in two parts with forbidden ground around each, rings in it, and
// a reader of chains that shares no line with the device's. What a device may write follows from that reader alone.
#pragma once
#include "drivers/virtio/queue.hpp"
#include "tests/fuzz/input.hpp"
#include "tests/host/ide_fake.hpp"
#include <sanitizer/asan_interface.h>
#include <vector>

namespace kennel::fuzz {

using namespace kennel::service;

class GuestRam {
public:
    static constexpr u64 part_bytes = 0x8000, bytes = 2 * part_bytes, gap = 0x10000;
    static constexpr u64 descriptors_at = 0x1000, available_at = 0x2000, used_at = 0x3000, indirect_at = 0x4000, data_at = 0x5000;

    GuestRam()
    {
        __asan_poison_memory_region(space_.data(), total);
        for (u8* part : {first(), second()}) {
            __asan_unpoison_memory_region(part, part_bytes);
            memory.add(part, part_bytes);
        }
    }
    GuestRam(GuestRam const&) = delete;
    GuestRam& operator=(GuestRam const&) = delete;
    ~GuestRam() { __asan_unpoison_memory_region(space_.data(), total); }

    GuestMemory memory;

    void clear()
    {
        std::memset(first(), 0, part_bytes);
        std::memset(second(), 0, part_bytes);
    }
    template<class T> void put(u64 at, T value) { memory.copy_out(at, value); }
    template<class T> T get(u64 at) const
    {
        T value{};
        memory.copy_in(at, value);
        return value;
    }
    // Remembers all of it; then calls `changed` with the address of each byte that is another now.
    void remember()
    {
        std::memcpy(before_.data(), first(), part_bytes);
        std::memcpy(before_.data() + part_bytes, second(), part_bytes);
    }
    template<class Do> void for_each_change(Do&& changed) const
    {
        constexpr u64 chunk = 128;
        for (u64 at = 0; at < bytes; at += chunk) {
            u8 const* const now = at < part_bytes ? first() + at : second() + (at - part_bytes);
            if (std::memcmp(&before_[at], now, chunk) == 0)
                continue;
            for (u64 i = 0; i < chunk; i++)
                if (before_[at + i] != now[i])
                    changed(at + i);
        }
    }

private:
    static constexpr usize total = 3 * gap + 2 * part_bytes;
    u8* first() const { return space_.data() + gap; }
    u8* second() const { return space_.data() + 2 * gap + part_bytes; }

    mutable fake::LowMemory space_{total};            // where a bus master reaches it
    std::vector<u8> before_ = std::vector<u8>(bytes);
};

struct Area { u64 address; u64 size; };
constexpr bool overlap(Area const& a, Area const& b) { return a.address < b.address + b.size && b.address < a.address + a.size; }

// A chain as the specification describes it: buffers to read and to write in order, empty ones left out.
struct ReadChain {
    bool broken = false;
    std::vector<Area> input, output, tables;
};

inline ReadChain read_chain(GuestRam const& ram, u64 table, u32 entries, u32 limit, u32 head)
{
    ReadChain chain;
    auto const inside = [](u64 address, u64 size) { return address <= GuestRam::bytes && size <= GuestRam::bytes - address; };
    bool indirect = false;
    chain.tables.push_back({table, 16ull * entries});
    for (u32 index = head, seen = 0;; seen++) {
        if (index >= entries || seen == limit)
            return chain.broken = true, chain;
        auto const [address, length, flags, next] = ram.get<wire::Descriptor>(table + 16ull * index);
        if (flags & wire::descriptor::indirect) {
            if (indirect || (flags & wire::descriptor::next) || length == 0 || length % 16 || length / 16 > limit || address % 8 || !inside(address, length) ||
                (address < GuestRam::part_bytes && address + length > GuestRam::part_bytes))
                return chain.broken = true, chain;
            indirect = true, table = address, entries = length / 16, index = 0, seen = ~0u;   // entries count from here
            chain.tables.push_back({table, length});
            continue;
        }
        bool const writable = flags & wire::descriptor::write;
        if (!writable && !chain.output.empty())
            return chain.broken = true, chain;
        if (length)
            (writable ? chain.output : chain.input).push_back({address, length});
        if (!(flags & wire::descriptor::next) || (length && !inside(address, length)))
            return chain;                             // behind RAM that does not exist nothing is looked at; an empty buffer is nowhere
        index = next;
    }
}

} // namespace kennel::fuzz
