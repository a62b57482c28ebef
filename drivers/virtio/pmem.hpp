// SPDX-License-Identifier: Apache-2.0
//
// virtio-pmem: an area of memory that the guest uses as a disk, /dev/pmem0, with no request for what it reads. Ours can only be read, which
// virtio has no word for: a write changes nothing and is counted, and from the first on every flush fails, so a driver that believed
// in its writes hears the truth where it asks for it. virtio 1.2, "PMEM Device".
#pragma once
#include "drivers/shared_area.hpp"
#include "drivers/virtio/transport.hpp"

namespace kennel::service {

class VirtioPmem {
public:
    static constexpr u16 queue_size = 16;

    // Of the guest's present run.
    struct Counters {
        u64 flushes = 0;                              // answered, one way or the other
        u64 failed = 0;                               // of these: because a write had been dropped
        u64 malformed = 0;                            // no flush, or no room for its answer
        u64 dropped = 0;                              // writes
    };

    explicit VirtioPmem(SharedArea::Recipe const& recipe);

    Transport  transport;
    SharedArea area;

    void power_on() { counters_ = {}; }
    void changed(Transport::Change change);
    void kicked();
    void drop_write() { counters_.dropped++; }

    Counters const& counters() const { return counters_; }

private:
    u32 flush(Chain& chain);                          // -> bytes written to it

    Chain    chain_;
    Counters counters_;
};

} // namespace kennel::service
