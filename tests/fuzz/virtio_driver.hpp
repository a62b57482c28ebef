// SPDX-License-Identifier: Apache-2.0
//
// The driver of one virtio device, for its fuzzer: sets it up, and knows from the words in its rings which chains are out, and with that
// what of its RAM the device may write. It is told what to put into them by anybody.
#pragma once
#include "drivers/virtio/transport.hpp"
#include "tests/fuzz/virtio_guest.hpp"
#include <algorithm>

namespace kennel::fuzz {

class Driver {
public:
    static constexpr u64 between_rings = 0x800;       // room for 64 entries

    struct Ring {
        u64 descriptors, available, used;
        u16 made = 0, taken = 0, seen = 0;            // made available; found to be by offer(); found to be used by collect()
        u64 written = 0;                              // bytes the device said so of
        u64 readable = 0, longest = 0;                // bytes to read: of all chains that are out, as their words are now; of one, ever
        struct { u16 chains; u64 writable; } out[256] = {};   // by head: how many are out, and the most bytes to write their words ever said
    };

    Driver(GuestRam& ram, Transport& transport) : ram_{ram}, transport_{transport}
    {
        for (u64 at = 0; rings.size() < transport.queue_count(); at += between_rings)
            rings.push_back({GuestRam::descriptors_at + at, GuestRam::available_at + at, GuestRam::used_at + at});
    }

    u16  size = 64;
    bool sane = true;                                 // no offer lies over the rings: they say what they said
    std::vector<Ring> rings;

    void forget()
    {
        sane = true;
        std::fill(allowed_.begin(), allowed_.end(), false);
        for (Ring& ring : rings) {
            ring = {ring.descriptors, ring.available, ring.used};
            ram_.put(ring.available, u32{0});
            ram_.put(ring.used, u32{0});
        }
    }

    // What it is for the device, when it was not set up before.
    Transport::Change bring_up(u64 features)
    {
        using namespace wire::common;
        if (transport_.is_resetting() || transport_.is_running())
            return Transport::Change::none;
        transport_.write_port(device_status, 1, 3);
        features |= wire::feature::version_1;
        for (u32 half : {0u, 1u}) {
            transport_.write_port(driver_feature_select, 4, half);
            transport_.write_port(driver_feature, 4, static_cast<u32>(features >> 32 * half));
        }
        transport_.write_port(device_status, 1, 11);
        for (u32 number = 0; number < rings.size(); number++) {
            transport_.write_port(queue_select, 2, number);
            transport_.write_port(queue_size, 2, size);
            transport_.write_port(queue_descriptors, 4, static_cast<u32>(rings[number].descriptors));
            transport_.write_port(queue_driver, 4, static_cast<u32>(rings[number].available));
            transport_.write_port(queue_device, 4, static_cast<u32>(rings[number].used));
            transport_.write_port(queue_enable, 2, 1);
        }
        forget();
        return transport_.write_port(device_status, 1, 15);
    }

    void make_available(u32 number, u16 head)
    {
        Ring& ring = rings[number];
        ram_.put(ring.available + 4 + 2 * (ring.made % size), head);
        ram_.put(ring.available + 2, ++ring.made);
    }

    // Anything, anywhere; over a used ring it is no longer said there what was used.
    void scribble(u64 address, u64 value)
    {
        ram_.put(address, value);
        for (Ring const& ring : rings)
            sane = sane && !overlap({address, sizeof value}, {ring.used, wire::used_bytes(size)});
    }

    // What was made available since: offered from now on, by what the words say now.
    void offer()
    {
        for (u32 number = 0; number < rings.size(); number++)
            if (sane && transport_.queue(number).is_running())
                offer(rings[number]);
    }

    // What was used: each chain was out, and no longer than it is.
    void collect()
    {
        if (sane)
            for (Ring& ring : rings)
                collect(ring);
    }

    // The device may write there: it was offered for that, or is part of a used ring.
    bool allows(u64 at) const
    {
        return allowed_[at] || std::ranges::any_of(rings, [&](Ring const& ring) { return at - ring.used < wire::used_bytes(size); });
    }

private:
    // A device may take a chain late, so all that are out are read again; a driver may also take an index back.
    void offer(Ring& ring)
    {
        u16 const index = ram_.get<u16>(ring.available + 2);
        ring.readable = 0;
        if (static_cast<u16>(index - ring.seen) > 2 * size)
            return;
        for (u16 entry = ring.seen; entry != index; entry++) {
            u16 const head = ram_.get<u16>(ring.available + 4 + 2 * (entry % size));
            ReadChain const chain = read_chain(ram_, ring.descriptors, size, size, head);
            if (chain.broken) {
                sane = sane && chain.output.empty();  // behind RAM that does not exist the device does not look for disorder
                if (static_cast<u16>(entry - ring.seen) >= static_cast<u16>(ring.taken - ring.seen))
                    return;
                continue;                             // it was in order when it was taken
            }
            u64 readable = 0, bytes = 0;
            for (Area const& area : chain.input)
                readable += area.size;
            ring.readable += readable;
            ring.longest = std::max(ring.longest, readable);
            for (Area const& area : chain.output) {
                bytes += area.size;
                for (u64 at = area.address; at < area.address + area.size && at < GuestRam::bytes; at++)
                    allowed_[at] = true;
                sane = sane && !is_ring(area);
            }
            for (Area const& table : chain.tables)
                sane = sane && (table.address == ring.descriptors || (table.address >= GuestRam::indirect_at && table.address + table.size <= GuestRam::indirect_at + 0x1000));
            ring.out[head].writable = std::max(ring.out[head].writable, bytes);
            if (entry == ring.taken) {
                ring.taken++;
                ring.out[head].chains++;
            }
        }
    }

    bool is_ring(Area const& area) const
    {
        return overlap(area, {GuestRam::indirect_at, 0x1000}) || std::ranges::any_of(rings, [&](Ring const& ring) {
            return overlap(area, {ring.descriptors, wire::descriptors_bytes(size)}) || overlap(area, {ring.available, wire::available_bytes(size)}) ||
                   overlap(area, {ring.used, wire::used_bytes(size)});
        });
    }

    void collect(Ring& ring)
    {
        u16 const used = ram_.get<u16>(ring.used + 2);
        demand(static_cast<u16>(used - ring.seen) <= 0x4000);
        for (; ring.seen != used; ring.seen++) {
            u32 const head = ram_.get<u32>(ring.used + 4 + 8 * (ring.seen % size)), bytes = ram_.get<u32>(ring.used + 8 + 8 * (ring.seen % size));
            if (static_cast<u16>(used - ring.seen) > size)
                continue;                             // overwritten: a head was made available again before it came back
            demand(head < size && ring.out[head].chains != 0 && bytes <= ring.out[head].writable);
            if (--ring.out[head].chains == 0)
                ring.out[head].writable = 0;
            ring.written += bytes;
        }
    }

    GuestRam&  ram_;
    Transport& transport_;
    std::vector<bool> allowed_ = std::vector<bool>(GuestRam::bytes);   // offered for writing
};

} // namespace kennel::fuzz
