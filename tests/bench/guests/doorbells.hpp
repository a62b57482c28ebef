// SPDX-License-Identifier: Apache-2.0
//
// What a doorbell costs: rung while its device is busy, rung with nothing to do, and answered by an interrupt. On Kennel it is the notify
// register of virtio block devices: the first is a RAM disk, the second a drive, which takes its time. Where there are none it is
// four ports of linux/kvm_client.c, whose threads do the same.
#pragma once
#include "tests/bench/guests/samples.hpp"
#include "tests/machine/guest/virtio.hpp"

namespace kennel::guest {

class Doorbells {
public:
    void find();

    void measure_bit(Samples& samples);       // a bit is set; nobody needs to come, for someone is at work already
    void measure_wake(Samples& samples);      // the device's side looks, and finds nothing
    void measure_answer(Samples& samples);    // to the first instruction of the handler; "get ID" is the request with the least work
    void measure_read(Samples& samples);      // the same for a read of 4 KiB

private:
    static constexpr u16 ring_size = 16;

    template<class Ring> void measure_interrupt(Samples& samples, char const* name, Ring&& ring);
    void begin(BlockDriver<ring_size>& driver);

    bool has_devices_ = false;
    BlockDriver<ring_size> memory_, drive_;
    alignas(4096) u8 data_[16 * 4096];
};

} // namespace kennel::guest
