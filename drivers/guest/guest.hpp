// SPDX-License-Identifier: Apache-2.0
//
// One guest, all of it that the service holds. Only its home vCPU (the service's vCPU on the guest's own CPU) touches it
// once it runs; the rings and the two atomic words are the exceptions, for the console's CPU.
//
//   planned   memory and CPU are chosen               start -> running, or ended (load-error)
//   running   its vCPU runs, or waits for an answer   an end -> running again, resting, held or ended
//   ending    stopped; a medium still moves its bytes       the last request is over -> as from running
//   resting   its runs are short: a pause before the next       the pause is over, or the operator's order -> running; stopped
//   held      stopped, kept for inspection            the operator's order -> running or stopped
//   stopped   by the operator: its partition is gone        start -> running
//   ended     its partition is gone, and it counts no more    start -> running
#pragma once
#include "drivers/block/disk.hpp"
#include "drivers/guest/end.hpp"
#include "drivers/model/emulate.hpp"
#include "drivers/model/platform.hpp"
#include "drivers/monitor/order.hpp"
#include "drivers/monitor/sample.hpp"
#include "hv/abi/manifest.hpp"
#include <atomic>
#include <string_view>

namespace kennel::service {

enum class GuestState : u8 { planned, running, ending, resting, held, stopped, ended };

struct Guest {
    static constexpr usize output_bytes = 32 * 1024, input_bytes = 1024;
    static constexpr u32   max_disks = Sample::most_disks, max_cards = Sample::most_cards;

    Guest() : output{output_space}, input{input_space}, platform{output, input}, console{output, input} {}
    Guest(Guest const&) = delete;
    Guest& operator=(Guest const&) = delete;

    std::string_view name_view() const { return recipe.name; }

    // Events of the service's vCPU at home: half a word of 64 for each guest, its devices' queues in it.
    static constexpr u32 first_event_word = 3;        // the words before are the service's own, and the disks'
    u32 first_event() const { return (first_event_word * 2 + number) * VirtioDevices::events; }
    static_assert(first_event_word * 2 + abi::max_guests <= abi::max_events / VirtioDevices::events);

    // -- touched by every intercept --
    abi::InterceptPage* page = nullptr;
    u64         vcpu = 0;                             // handle
    ByteRing    output, input;
    Platform    platform;
    GuestMemory memory;
    DecodeCache cache;
    VirtioConsole console;                            // another, where the kernel's command line names it

    // -- from the manifest --
    abi::ManifestGuest  recipe{};
    std::span<u8 const> kernel, initrd;
    std::string_view    kernel_name, initrd_name, command_line;
    u32         number = 0;                           // among the guests of this service; the badge is one more
    u32         home   = 0;                           // physical CPU
    Disk*       disks[max_disks] = {};                // vda, vdb, ...
    u32         disk_count = 0;
    VirtioBlock const* disk_devices[max_disks] = {};
    VirtioNet const*   cards[max_cards] = {};         // eth0, eth1, ...; more than these exist, but are not counted
    u32         card_count = 0;

    bool        has_console = false;

    // The terminal's other end changed.
    void terminal_changed()
    {
        platform.uart.rings_changed();
        if (has_console)
            console.rings_changed();
    }
    bool is_blocked() const { return platform.uart.is_blocked() || (has_console && console.is_blocked()); }

    // -- while it runs --
    GuestState  state = GuestState::planned;
    u64         partition = 0;                        // handle
    abi::CountersPage const* counters = nullptr;
    u64         starts = 0;
    End         end;                                  // while ending: why
    std::atomic<Order> order{Order::none};            // the operator's: the monitor writes it, home takes it back
    Sample      sample;                               // as the last Order::sample, or its end, left it
    u64         started = 0;                          // TSC
    u64         next_pause = 0;                       // ticks before its next start, should this run be short
    u64         resume_at = 0;                        // TSC, while resting
    std::atomic<bool> wants_room{false};              // its 16550 said "busy": tell it when output was taken away

    u8 output_space[output_bytes];
    u8 input_space[input_bytes];
};

} // namespace kennel::service
