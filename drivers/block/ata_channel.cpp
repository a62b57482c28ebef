// SPDX-License-Identifier: Apache-2.0
//
// See ata_channel.hpp.
#include "drivers/block/ata_channel.hpp"
#include "drivers/instructions.hpp"
#include <algorithm>

namespace kennel::service {

namespace {

// The command block's registers. ATA/ATAPI-7 Volume 2, "I/O registers".
enum : u16 { data = 0, sector_count = 2, lba_low = 3, lba_mid = 4, lba_high = 5, device = 6, command_or_status = 7 };

// Status register; in the control block the same is read without acknowledging the interrupt.
enum Status : u8 { err = 0x01, drq = 0x08, device_fault = 0x20, ready = 0x40, bsy = 0x80 };
constexpr u8 floating = 0xff;                         // no drive on the cable

// Device control register.
enum Control : u8 { interrupts_on = 0x00, software_reset = 0x04 };

// The bus master's registers. Programming Interface for Bus Master IDE Controller, "Register Descriptions".
enum : u16 { master_command = 0, master_status = 2, master_table = 4 };
enum MasterCommand : u8 { start = 0x01, to_memory = 0x08 };
enum MasterStatus : u8 { active = 0x01, error = 0x02, interrupted = 0x04, drives_can_dma = 0x60 };

enum Opcode : u8 {
    read_dma_ext = 0x25, write_dma_ext = 0x35, read_dma = 0xc8, write_dma = 0xca, flush_cache = 0xe7, flush_cache_ext = 0xea, identify_device = 0xec,
};

constexpr u64 reset_seconds = 31;                     // "Software reset": a drive is ready after 31 s, or it is not one any more

} // namespace

void AtaChannel::open(Ports const& ports, Memory& memory, u64 tsc_hz)
{
    ports_ = ports;
    memory_ = &memory;
    table_ = PrdTable{memory.table};
    tsc_hz_ = tsc_hz;
    write_port(static_cast<u16>(ports_.bus_master + master_command), 0);
    write_port(ports_.control, interrupts_on);        // firmware may have left them off
}

u8 AtaChannel::status() const { return read_port(ports_.control); }

bool AtaChannel::wait_until_ready(u64 ticks) const
{
    u64 const until = time_stamp() + ticks;
    while (status() & (bsy | drq)) {
        if (time_stamp() >= until)
            return false;
        relax();
    }
    return true;
}

// "Device selection protocol". False: the drive is in the middle of something, and was not a millisecond later.
bool AtaChannel::select(u32 unit, u8 high_bits)
{
    if (!wait_until_ready(tsc_hz_ / 1000))
        return false;
    write_port(static_cast<u16>(ports_.command + device), static_cast<u8>(0xe0 | unit << 4 | high_bits));
    if (selected_ != unit)
        for (int i = 0; i < 4; i++)                   // 400 ns until the status is the new drive's
            static_cast<void>(status());
    selected_ = unit;
    return wait_until_ready(tsc_hz_ / 1000);
}

// ---- before requests are served ----

std::optional<Result<AtaIdentity, IdentityError>> AtaChannel::identify(u32 unit)
{
    selected_ = ~0u;
    if (status() == floating)
        return std::nullopt;
    write_port(static_cast<u16>(ports_.command + device), static_cast<u8>(0xe0 | unit << 4));
    for (int i = 0; i < 4; i++)
        static_cast<void>(status());
    selected_ = unit;
    u8 const now = status();
    if (now == 0 || now == floating || !wait_until_ready(reset_seconds * tsc_hz_))
        return std::nullopt;
    for (u16 const at : {sector_count, lba_low, lba_mid, lba_high})
        write_port(static_cast<u16>(ports_.command + at), 0);
    write_port(static_cast<u16>(ports_.command + command_or_status), identify_device);
    for (int i = 0; i < 4; i++)
        static_cast<void>(status());
    if (status() == 0)
        return std::nullopt;
    u64 const until = time_stamp() + reset_seconds * tsc_hz_;
    while (status() & bsy) {
        if (time_stamp() >= until)
            return std::nullopt;
        relax();
    }
    // A packet device aborts the command and shows its signature. Reading the status acknowledges the interrupt.
    u8 const end = read_port(static_cast<u16>(ports_.command + command_or_status));
    if (end & err || !(end & drq))
        return Result<AtaIdentity, IdentityError>{Err(IdentityError::not_ata)};
    u8 bytes[512];
    for (usize i = 0; i < sizeof bytes; i += 2) {
        u16 const word = read_port16(static_cast<u16>(ports_.command + data));
        bytes[i] = static_cast<u8>(word);
        bytes[i + 1] = static_cast<u8>(word >> 8);
    }
    static_cast<void>(read_port(static_cast<u16>(ports_.command + command_or_status)));
    auto const identity = AtaIdentity::parse(bytes);
    if (identity)
        units_[unit] = {identity->lba48, identity->flush_ext};
    return identity;
}

bool AtaChannel::read_now(u32 unit, SectorRange const& range, u8* to)
{
    if (state_ != State::idle || range.bytes() > sizeof memory_->bounce)
        return false;
    command_ = {Kind::read, unit, range.first(), static_cast<u32>(range.count()), true};
    table_.clear();
    if (!table_.add(memory_->bounce, range.bytes()))
        return false;
    table_.end();
    patience_ = patience_seconds * tsc_hz_;
    issue();
    Outcome outcome = Outcome::not_yet;
    while (state_ == State::command && (outcome = look()) == Outcome::not_yet && time_stamp() < deadline_)
        relax();
    bool const good = outcome == Outcome::good;
    if (state_ == State::resetting)                   // its 10 ms are waited for here, too
        static_cast<void>(wait_until_ready(reset_seconds * tsc_hz_));
    if (good)
        copy_bytes(to, memory_->bounce, range.bytes());
    state_ = State::idle;
    if (!good)
        counters_.errors++;
    return good;
}

// ---- requests ----

void AtaChannel::wake(DriveSlice& slice)
{
    was_woken_ = true;
    if (&slice == serving_ || slice.turn_.is_linked())
        return;
    turns_.push_back(slice);
    if (state_ == State::idle)
        serve_next();
}

void AtaChannel::serve_next()
{
    while (state_ == State::idle && !turns_.empty()) {
        DriveSlice& slice = *turns_.pop_front();
        serving_ = &slice;
        attempt_ = resets_ = 0;
        patience_ = patience_seconds * tsc_hz_;
        prepare(slice, *slice.waiting_.front());
        issue();
    }
}

// The next command of a request: as much as one may do.
void AtaChannel::prepare(DriveSlice& slice, BlockRequest const& request)
{
    u32 const unit = slice.recipe_.unit;
    table_.clear();
    resume_ = slice.cursor_;
    if (request.operation() == BlockOperation::flush || slice.flush_due_) {
        command_ = {Kind::flush, unit, 0, 0, false};
        return;
    }
    u64 const most = std::min<u64>(command_bytes, (units_[unit].lba48 ? 65536 : 256) * sector_bytes);
    u64 bytes = std::min(most, (request.range().count() - slice.sectors_done_) * sector_bytes);
    // The request's range lies in the slice, and the slice in the drive: checked when each was made.
    u64 const first = slice.recipe_.part.first() + request.range().first() + slice.sectors_done_;
    if (request.operation() == BlockOperation::write_zeroes) {
        for (u64 left = bytes; left > 0; left -= std::min<u64>(left, page_size))
            table_.add(memory_->zeroes, std::min<u64>(left, page_size));
        command_ = {Kind::zeroes, unit, first, static_cast<u32>(bytes / sector_bytes), false};
        table_.end();
        return;
    }
    bool const reads = request.operation() == BlockOperation::read;
    bool const bounced = !describe_segments(slice, request, bytes);
    if (bounced) {                                    // above 4 GiB, or at odd addresses
        counters_.bounced++;
        bytes = std::min<u64>(bytes, sizeof memory_->bounce);
        resume_ = slice.cursor_;
        if (reads)
            resume_.skip(request.segments(), bytes);
        else
            resume_.gather(request.segments(), memory_->bounce, bytes);
        table_.clear();
        table_.add(memory_->bounce, bytes);
    }
    table_.end();
    command_ = {reads ? Kind::read : Kind::write, unit, first, static_cast<u32>(bytes / sector_bytes), bounced};
}

bool AtaChannel::describe_segments(DriveSlice& slice, BlockRequest const& request, u64 bytes)
{
    resume_ = slice.cursor_;
    for (u64 left = bytes; left > 0;) {
        auto const piece = resume_.take(request.segments(), left);
        if (!table_.add(piece.data(), piece.size()))
            return false;
        left -= piece.size();
    }
    return true;
}

// Gives the drive the command, with the table that is ready.
void AtaChannel::issue()
{
    bool const longer = units_[command_.unit].lba48;
    bool const moves = command_.kind != Kind::flush;
    u64 const first = command_.first;
    state_ = State::command;
    deadline_ = time_stamp() + patience_;
    counters_.commands++;
    counters_.flushes += !moves;
    if (!select(command_.unit, longer || !moves ? 0 : static_cast<u8>(first >> 24 & 15))) {
        begin_reset();
        return;
    }
    auto write = [&](u16 at, u64 value) { write_port(static_cast<u16>(ports_.command + at), static_cast<u8>(value)); };
    u8 const direction = command_.kind == Kind::read ? to_memory : 0;
    // Acknowledges what is left of the command before: interrupt and error are cleared by ones.
    u16 const status_port = static_cast<u16>(ports_.bus_master + master_status);
    write_port(status_port, static_cast<u8>((read_port(status_port) & drives_can_dma) | interrupted | error));
    if (moves) {
        write_port32(static_cast<u16>(ports_.bus_master + master_table), table_.address());
        write_port(static_cast<u16>(ports_.bus_master + master_command), direction);
        if (longer) {                                 // the upper halves first: each register is two deep
            write(sector_count, command_.count >> 8);
            write(lba_low, first >> 24);
            write(lba_mid, first >> 32);
            write(lba_high, first >> 40);
        }
        write(sector_count, command_.count);          // 256 of 28 bits, 65536 of 48: written as 0
        write(lba_low, first);
        write(lba_mid, first >> 8);
        write(lba_high, first >> 16);
    }
    // Ordering: what the drive reads of memory (table, data) is written before it is told to; ports are not passed by stores.
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    if (moves)
        write(command_or_status, command_.kind == Kind::read ? (longer ? read_dma_ext : read_dma) : (longer ? write_dma_ext : write_dma));
    else
        write(command_or_status, units_[command_.unit].flush_ext ? flush_cache_ext : flush_cache);
    if (moves)
        write_port(static_cast<u16>(ports_.bus_master + master_command), direction | start);
}

// Whether the command has ended, and how. Acknowledges its end to drive and controller.
AtaChannel::Outcome AtaChannel::look()
{
    u16 const status_port = static_cast<u16>(ports_.bus_master + master_status);
    u8 const master = read_port(status_port);
    if (!(master & interrupted) || (status() & bsy))
        return Outcome::not_yet;
    last_status_ = read_port(static_cast<u16>(ports_.command + command_or_status));
    write_port(static_cast<u16>(ports_.bus_master + master_command), 0);
    write_port(status_port, static_cast<u8>((master & drives_can_dma) | interrupted | error));
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    // "Active" after the drive's interrupt: it ended before the table did, so some of the data was not moved.
    bool const bad = (last_status_ & (err | device_fault | drq)) || (master & error) || (command_.kind != Kind::flush && (master & active));
    return bad ? Outcome::bad : Outcome::good;
}

void AtaChannel::interrupt()
{
    if (state_ != State::command) {                   // nothing was asked for
        static_cast<void>(read_port(static_cast<u16>(ports_.command + command_or_status)));
        return;
    }
    if (Outcome const outcome = look(); outcome != Outcome::not_yet)
        ended(outcome);
}

void AtaChannel::ended(Outcome outcome)
{
    DriveSlice& slice = *serving_;
    BlockRequest const& request = *slice.waiting_.front();
    if (outcome == Outcome::bad) {
        counters_.errors++;
        // A flush that failed is not repeated: the drive may have dropped what it could not write, and say yes the next time.
        if (command_.kind != Kind::flush && ++attempt_ < attempts) {
            counters_.retries++;
            issue();
            return;
        }
        finish(slice, BlockStatus::io_error);
        return;
    }
    if (command_.kind == Kind::flush) {
        finish(slice, BlockStatus::ok);
        return;
    }
    if (command_.bounced && command_.kind == Kind::read) {
        SegmentCursor cursor = slice.cursor_;
        cursor.scatter(request.segments(), memory_->bounce, command_.count * sector_bytes);
    }
    slice.sectors_done_ += command_.count;
    slice.cursor_ = resume_;
    bool const whole = slice.sectors_done_ == request.range().count();
    if (whole && (!slice.recipe_.write_through || !request.changes_medium())) {
        finish(slice, BlockStatus::ok);
        return;
    }
    slice.flush_due_ = whole;
    turns_.push_back(slice);                          // its next command waits behind the other slices
    serving_ = nullptr;
    state_ = State::idle;
    serve_next();
}

void AtaChannel::finish(DriveSlice& slice, BlockStatus result)
{
    slice.finish(result);
    has_news(slice);
    serving_ = nullptr;
    state_ = State::idle;
    if (!slice.waiting_.empty())
        turns_.push_back(slice);
    serve_next();
}

// ---- drives that do not answer ----

void AtaChannel::timer(u64 now)
{
    if (now < deadline())
        return;
    if (state_ == State::resetting) {
        go_on_with_reset(now);
        return;
    }
    if (Outcome const outcome = look(); outcome != Outcome::not_yet) {
        counters_.lost_interrupts++;
        ended(outcome);
        return;
    }
    begin_reset();
}

// "Software reset": 5 us at least; then the drives may take their time.
void AtaChannel::begin_reset()
{
    counters_.resets++;
    write_port(static_cast<u16>(ports_.bus_master + master_command), 0);
    write_port(ports_.control, software_reset);
    u64 const now = time_stamp();
    while (time_stamp() - now < tsc_hz_ / 100'000)
        relax();
    write_port(ports_.control, interrupts_on);
    state_ = State::resetting;
    selected_ = ~0u;
    reset_limit_ = now + reset_seconds * tsc_hz_;
    deadline_ = now + tsc_hz_ / 100;
}

void AtaChannel::go_on_with_reset(u64 now)
{
    u8 const seen = status();
    if (seen == floating || ((seen & bsy) && now >= reset_limit_)) {
        fail();
        return;
    }
    if (seen & bsy) {
        deadline_ = now + tsc_hz_ / 100;
        return;
    }
    if (resets_++ == most_resets) {
        counters_.errors++;
        finish(*serving_, BlockStatus::io_error);
        return;
    }
    patience_ *= 2;
    issue();
}

void AtaChannel::fail()
{
    state_ = State::failed;
    auto drop = [&](DriveSlice& slice) {
        while (!slice.waiting_.empty())
            slice.finish(BlockStatus::io_error);
        has_news(slice);
    };
    if (serving_)
        drop(*serving_);
    serving_ = nullptr;
    while (DriveSlice* const slice = turns_.pop_front())
        drop(*slice);
}

} // namespace kennel::service
