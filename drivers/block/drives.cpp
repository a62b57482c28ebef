// SPDX-License-Identifier: Apache-2.0
//
// See drives.hpp.
#include "drivers/block/drives.hpp"
#include "drivers/machine_pci.hpp"

namespace kennel::service {

namespace {

constexpr u8 mass_storage = 1, ide = 1;
// Programming interface: bit 7 bus master; bits 0 and 2 say that a channel is in native mode, its ports and interrupt then being
// somewhere else. PCI IDE Controller Specification, "Programming Interface Byte".
constexpr u8 bus_master = 0x80, native[2] = {0x01, 0x04};
constexpr u16 command_ports[2] = {0x1f0, 0x170}, control_ports[2] = {0x3f6, 0x376};
constexpr u64 isa_lines[2] = {14, 15};
constexpr u8 bus_master_bar = MachinePci::first_bar + 4 * 4;

constexpr std::string_view names[Drives::count] = {"drive 0 (first channel, master)", "drive 1 (first channel, slave)", "drive 2 (second channel, master)", "drive 3 (second channel, slave)"};

} // namespace

void Drives::discover(Heap& heap, u64 tsc_hz, Log& log)
{
    searched_ = true;
    MachinePci const pci;
    std::optional<MachinePci::Function> found;
    pci.find([&](MachinePci::Function const& function) {
        bool const fits = function.base_class == mass_storage && function.sub_class == ide && (function.interface & bus_master);
        if (fits)
            found = function;
        return fits;
    });
    if (!found) {
        log.line(Text{"drives: this machine has no IDE controller with a bus master"});
        return;
    }
    pci.enable(*found, MachinePci::io_space | MachinePci::bus_master);
    u32 const bar = pci.read(*found, bus_master_bar);
    u16 const base = static_cast<u16>(bar & 0xfff0);
    if (!(bar & 1) || base == 0) {
        log.line(Text{"drives: the firmware gave the IDE controller ", Hex{found->vendor}, ":", Hex{found->product}, " no bus master ports"});
        return;
    }
    for (u32 i = 0; i < 2; i++) {
        if (found->interface & native[i]) {
            log.line(Text{"drives: channel ", i, " is in native mode, which is not supported"});
            continue;
        }
        auto const memory = heap.take(sizeof(AtaChannel::Memory), alignof(AtaChannel::Memory));
        if (memory.empty() || reinterpret_cast<u64>(memory.data() + memory.size()) > 1ull << 32) {
            log.line(Text{"drives: no memory below 4 GiB for channel ", i});
            continue;
        }
        auto* const area = new (memory.data()) AtaChannel::Memory{};
        channels_[i].channel.open({command_ports[i], control_ports[i], static_cast<u16>(base + i * 8)}, *area, tsc_hz);
        channels_[i].there = true;
        find_drives(i, log);
    }
}

void Drives::find_drives(u32 channel, Log& log)
{
    for (u32 unit = 0; unit < 2; unit++) {
        auto const identity = channels_[channel].channel.identify(unit);
        if (!identity)
            continue;
        Drive& drive = drives_[channel * 2 + unit];
        if (!*identity) {
            drive.reason = describe(identity->error());
            continue;
        }
        drive.there = true;
        drive.identity = **identity;
        log.line(Text{names[channel * 2 + unit], ": ", std::string_view{drive.identity.model}, ", ", drive.identity.sectors, " sectors",
                      drive.identity.lba48 ? "" : ", 28-bit addresses", drive.identity.write_back ? ", write-back" : ""});
    }
}

DriveSlice* Drives::open(Request const& request, Heap& heap, Text& why)
{
    Drive const& drive = drives_[request.drive];
    auto refuse = [&](std::string_view reason) -> DriveSlice* {
        why = Text{names[request.drive], ": ", reason};
        return nullptr;
    };
    if (!drive.there)
        return refuse(drive.reason);
    Channel& channel = channels_[request.drive / 2];
    u32 const unit = request.drive % 2;
    auto range = SectorRange::within(drive.identity.sectors, 0, drive.identity.sectors);
    if (request.part.by != PartSelector::By::whole) {
        alignas(8) u8 buffer[gpt::chunk];
        auto const found = find_partition(request.part, drive.identity.sectors, buffer, [&](SectorRange const& where, std::span<u8> to) {
            return channel.channel.read_now(unit, where, to.data());
        });
        if (!found)
            return refuse(describe(found.error()));
        range = found->range;
    }
    bool const writes = !request.read_only && !request.overlay;
    for (Claim const& claim : std::span{claims_, claim_count_})
        if (claim.drive == request.drive && claim.part.common(range->first(), range->end()).count() > 0 && (claim.writes || writes))
            return refuse("this part overlaps one that another disk uses, and one of them writes");
    if (claim_count_ == std::size(claims_))
        return refuse("too many disks");
    DriveSlice* const slice = heap.make<DriveSlice>(DriveSlice::Recipe{
        .channel = &channel.channel, .unit = unit, .part = *range, .block_bytes = drive.identity.block_bytes,
        .read_only = !writes, .write_back = drive.identity.write_back, .write_through = request.write_through});
    if (!slice)
        return refuse("no memory left for it");
    claims_[claim_count_++] = {request.drive, *range, writes};
    channel.used = true;
    return slice;
}

void Drives::start(u64 first_event, Log& log)
{
    for (u32 i = 0; i < 2; i++) {
        if (!channels_[i].used)
            continue;
        // ISA lines are edges: nothing has to be acknowledged at the interrupt controller.
        Answer const bound = interrupt_bind_isa(isa_lines[i], first_event + i, 0);
        if (bound.status != Status::ok)
            log.line(Text{"drives: channel ", i, " has no interrupt, status ", static_cast<u64>(bound.status), "; its disks will be very slow"});
    }
}

void Drives::timer(u64 now, Log& log)
{
    for (Channel& channel : channels_)
        channel.channel.timer(now);
    report(log);
}

// What an operator should hear of, once.
void Drives::report(Log& log)
{
    for (u32 i = 0; i < 2; i++) {
        Channel& channel = channels_[i];
        auto const& counters = channel.channel.counters();
        if (counters.resets != channel.resets) [[unlikely]] {
            channel.resets = counters.resets;
            log.line(Text{"drives: channel ", i, " did not answer in time and was reset; resets so far: ", counters.resets});
        }
        if (counters.errors != channel.errors && (channel.errors == 0 || counters.errors >= channel.errors * 2)) [[unlikely]] {
            channel.errors = counters.errors;          // at 1, 2, 4, ...: a broken drive must not fill the log
            log.line(Text{"drives: channel ", i, " reports errors; so far: ", counters.errors});
        }
        if (channel.channel.failed() && !channel.failed) [[unlikely]] {
            channel.failed = true;
            log.line(Text{"drives: channel ", i, " is gone: its disks give I/O errors from now on"});
        }
    }
}

} // namespace kennel::service
