// SPDX-License-Identifier: Apache-2.0
//
// A service that measures memory instead of serving: how few frames of hv's a guest and its vCPUs get along with, and how many hv
// has left before there is any guest. Says `FOOTPRINT name bytes` in hv's log.
#include "drivers/extents.hpp"
#include "drivers/fault.hpp"
#include "drivers/guest/guest.hpp"
#include "drivers/hypercalls.hpp"
#include "drivers/log.hpp"
#include "drivers/virtio/block.hpp"

namespace kennel::service {

namespace {

constexpr u64 guest_bytes = 64ull << 20, fewest = 16, most = 1 << 20;   // frames that partition_create takes

// The first of fewest..most for which `holds` is `wanted`; it is not so before, and always after.
template<class Holds> u64 first(bool wanted, Holds&& holds)
{
    u64 low = fewest, high = most;
    while (low < high) {
        u64 const middle = low + (high - low) / 2;
        if (holds(middle) == wanted)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

bool fits(u64 frames, u64 ram, u64 vcpus)
{
    Answer const partition = partition_create(frames);
    if (partition.status != Status::ok)
        return false;
    bool good = vcpus == 0 || map_ram(partition.first, 0, ram, guest_bytes) == Status::ok;
    for (u64 i = 0; good && i < vcpus; i++)
        good = vcpu_create({partition.first, 0, 1 + i, 100, i}).status == Status::ok;
    return partition_destroy(partition.first) == Status::ok && good;
}

void measure(abi::InfoPage const& info, Log& log)
{
    Extents extents{info};
    u64 const ram = extents.take(guest_bytes).base;
    u64 const left = first(false, [](u64 frames) { return fits(frames, 0, 0); }) - 1;
    // More than are left do not fit either: the search must stay below.
    auto const least = [&](u64 vcpus) { return first(true, [&](u64 frames) { return frames > left || fits(frames, ram, vcpus); }); };
    u64 const one = least(1), two = least(2);
    auto const say = [&](char const* name, u64 bytes) { log.line(Text{"FOOTPRINT ", name, " ", bytes}); };
    say("pool-left", left * page_size);
    say("guest", one * page_size);
    say("vcpu", (two - one) * page_size);
    say("service-guest", sizeof(Guest));
    say("service-disk", sizeof(VirtioBlock));
}

} // namespace

extern "C" [[noreturn]] void service_main(abi::InfoPage const* info, u64 index);

void service_main(abi::InfoPage const* info, u64 index)
{
    if (index == 0) {
        prepare_faults(*info);
        Log log{*reinterpret_cast<abi::EventPage*>(info->event_page[0])};
        measure(*info, log);
        static_cast<void>(machine_power_off(false));
    }
    for (;;)
        static_cast<void>(wait());
}

} // namespace kennel::service
