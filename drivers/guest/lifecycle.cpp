// SPDX-License-Identifier: Apache-2.0
//
// See lifecycle.hpp.
#include "drivers/guest/lifecycle.hpp"
#include "drivers/guest/start.hpp"
#include "drivers/instructions.hpp"
#include <algorithm>

namespace kennel::service {

namespace {

enum class Next : u8 { stop, restart, hold };

Next decide(EndReason reason, abi::StopPolicy policy, Wanted wanted)
{
    if (wanted != Wanted::nothing)
        return wanted == Wanted::stop ? Next::stop : Next::restart;
    if (reason == EndReason::power_off || reason == EndReason::load_error)
        return Next::stop;
    if (reason == EndReason::reboot)
        return Next::restart;
    switch (policy) {
    case abi::StopPolicy::stop:    return Next::stop;
    case abi::StopPolicy::restart: return Next::restart;
    case abi::StopPolicy::hold:    return Next::hold;
    }
    return Next::stop;
}

void frame_stop(Guest const& guest, EndReason reason, Log& log)
{
    log.frame(Text{"guest ", guest.name_view(), " stopped reason=", name_of(reason), " status=", is_orderly(reason) ? "ok" : "failed"});
}

void report_state(Guest const& guest, Log& log)
{
    abi::InterceptPage const& page = *guest.page;
    abi::Registers const& r = page.registers;
    if (page.execution.complete) {
        abi::ExecutionState const& e = page.execution;
        log.line(Text{"guest ", guest.name_view(), ": rip ", Hex{e.rip}, " rsp ", Hex{r.rsp}, " rflags ", Hex{e.rflags}, " cr0 ", Hex{e.cr0},
                      " cr3 ", Hex{e.cr3}, " cr4 ", Hex{e.cr4}, " efer ", Hex{e.efer}, " cpl ", e.cpl});
    }
    log.line(Text{"guest ", guest.name_view(), ": rax ", Hex{r.rax}, " rbx ", Hex{r.rbx}, " rcx ", Hex{r.rcx}, " rdx ", Hex{r.rdx}, " rsi ", Hex{r.rsi},
                  " rdi ", Hex{r.rdi}, " rbp ", Hex{r.rbp}, " r8 ", Hex{r.r8}, " r9 ", Hex{r.r9}, " r10 ", Hex{r.r10}, " r11 ", Hex{r.r11}});
    if (page.kind == abi::InterceptKind::stopped)
        log.line(Text{"guest ", guest.name_view(), ": exit reason ", page.stop.exit_reason, " qualification ", Hex{page.stop.qualification},
                      " address ", Hex{page.stop.address}});
    if (page.kind == abi::InterceptKind::memory)
        log.line(Text{"guest ", guest.name_view(), ": ", page.memory.is_execute ? "execution of " : page.memory.is_write ? "write to " : "read from ",
                      Hex{page.memory.address}});
}

void report_counters(Guest const& guest, Log& log)
{
    abi::CountersPage const& counters = *guest.counters;
    u64 all = 0;
    Text parts;
    for (u32 i = 0; i < Sample::exit_kinds; i++)
        if (u64 const exits = counters.exits[i]) {
            all += exits;
            parts.add(" ", name_of(static_cast<abi::ExitCounter>(i)), "=", exits);
        }
    log.line(Text{"guest ", guest.name_view(), ": exits ", all, ":", parts.view()});
    log.line(Text{"guest ", guest.name_view(), ": ticks ", counters.run_ticks, "; interrupts ", counters.injected, ", unclaimed accesses ",
                  guest.platform.unclaimed, ", console bytes lost ", guest.platform.uart.lost()});
    for (u32 i = 0; i < guest.platform.virtio.count(); i++)
        if (VirtioPmem const* const pmem = guest.platform.virtio.pmem(i))
            log.line(Text{"guest ", guest.name_view(), ": area at ", Hex{pmem->area.address()}, ": pages mapped on touch ", pmem->area.touches(), ", writes dropped ",
                          pmem->counters().dropped, ", flushes ", pmem->counters().flushes, " (failed ", pmem->counters().failed, ")"});
}

void report(Guest const& guest, End const& end, Log& log)
{
    log.line(Text{"guest ", guest.name_view(), " stopped: ", name_of(end.reason), *end.detail ? ": " : "", end.detail});
    if (!is_orderly(end.reason))
        report_state(guest, log);
    report_counters(guest, log);
    frame_stop(guest, end.reason, log);
}

bool start(Guest& guest, abi::InfoPage const& info, Log& log)
{
    bool const again = guest.starts != 0;
    Text const fault = start_guest(guest, info);
    if (!fault.view().empty()) {
        log.line(Text{"guest ", guest.name_view(), ": ", fault.view()});
        frame_stop(guest, EndReason::load_error, log);
        return false;
    }
    log.frame(Text{"guest ", guest.name_view(), again ? " restarted" : " started"});
    return true;
}

// -> ticks to rest before the next start.
u64 pause_after(Guest& guest, u64 tsc_hz)
{
    u64 const ticks_per_ms = tsc_hz / 1000;
    bool const settled = time_stamp() - guest.started >= settled_ms * ticks_per_ms;
    u64 const pause = settled ? 0 : guest.next_pause;
    guest.next_pause = settled ? 0 : std::clamp(pause * 2, first_pause_ms * ticks_per_ms, longest_pause_ms * ticks_per_ms);
    return pause;
}

} // namespace

bool begin(Guest& guest, abi::InfoPage const& info, Log& log) { return start(guest, info, log); }

void take_sample(Guest& guest)
{
    if (!guest.counters)
        return;
    abi::CountersPage const& counters = *guest.counters;
    Sample sample{.taken = time_stamp(), .started = guest.started, .starts = guest.starts, .run_ticks = counters.run_ticks, .interrupts = counters.injected,
                  .unclaimed = guest.platform.unclaimed, .console_lost = guest.platform.uart.lost()};
    for (u32 i = 0; i < Sample::exit_kinds; i++)
        sample.exits[i] = counters.exits[i];
    for (u32 i = 0; i < guest.disk_count; i++) {
        VirtioBlock::Counters const& disk = guest.disk_devices[i]->counters();
        sample.disks[i] = {disk.requests, disk.failed, disk.malformed + disk.unsupported, disk.interrupts};
    }
    for (u32 i = 0; i < guest.card_count; i++) {
        net::PortCounters const& card = guest.cards[i]->counters();
        u64 dropped = 0;
        for (u64 const count : card.drops)
            dropped += count;
        sample.cards[i] = {card.packets_in, card.bytes_in, card.packets_out, card.bytes_out, dropped};
    }
    guest.sample = sample;
}

bool conclude(Guest& guest, End const& end, Wanted wanted, abi::InfoPage const& info, Log& log)
{
    take_sample(guest);
    report(guest, end, log);
    switch (decide(end.reason, guest.recipe.policy, wanted)) {
    case Next::restart: {
        u64 const pause = wanted == Wanted::nothing ? pause_after(guest, info.tsc_hz) : 0;
        destroy_guest(guest);
        if (pause == 0)
            return start(guest, info, log);
        guest.resume_at = time_stamp() + pause;
        guest.state = GuestState::resting;
        return true;
    }
    case Next::hold:
        guest.page->reply.action = abi::ReplyAction::none;
        static_cast<void>(reply(guest.vcpu));         // refused where it cannot go on anyway
        guest.state = GuestState::held;
        log.line(Text{"guest ", guest.name_view(), " is held for inspection"});
        return false;
    case Next::stop:
        break;
    }
    destroy_guest(guest);
    return false;
}

} // namespace kennel::service
