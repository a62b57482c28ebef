// SPDX-License-Identifier: Apache-2.0
//
// An IDE channel of the service over the fake one, ready for requests: what tests of drives begin with.
#pragma once
#include "drivers/block/ata_channel.hpp"
#include "tests/host/ide_fake.hpp"
#include <doctest/doctest.h>

namespace kennel::service::fake {

inline constexpr u64 tsc_hz = 1'000'000'000;

// A channel with one drive, opened and identified, and memory for guests' data below 4 GiB.
struct IdeMachine {
    LowMemory  low{4 << 20};
    IdeChannel ide;
    AtaChannel channel;
    u8*        ram = low.data() + (1 << 20);

    explicit IdeMachine(u64 sectors = 4096, bool lba48 = true)
    {
        reset().device = &ide;
        ide.drives[0].sectors = sectors;
        ide.drives[0].lba48 = lba48;
        channel.open({ide.command, ide.control, ide.master}, *reinterpret_cast<AtaChannel::Memory*>(low.data()), tsc_hz);
        auto const found = channel.identify(0);
        REQUIRE(found);
        REQUIRE(*found);
    }
    IdeMachine(IdeMachine const&) = delete;
    IdeMachine& operator=(IdeMachine const&) = delete;
    ~IdeMachine() { reset(); }

    DriveSlice::Recipe recipe(u64 first, u64 count)
    {
        return {&channel, 0, *SectorRange::within(ide.drives[0].sectors, first, count), 512, false, true, false};
    }

    // The drive ends its command, and the interrupt arrives.
    void step()
    {
        ide.finish();
        if (ide.line)
            channel.interrupt();
    }
    void run()
    {
        for (int i = 0; i < 10'000 && ide.has_command(); i++)
            step();
    }
};

} // namespace kennel::service::fake
