// SPDX-License-Identifier: Apache-2.0
//
// One channel of an IDE controller (Intel's PIIX and its kin): up to two drives, one command at a time, data by bus-master DMA
// straight to and from the guest's RAM. ATA/ATAPI-7 Volume 2, "Command protocol"; Intel 82371SB (PIIX3), "IDE Controller".
//
//   idle       no command runs
//   command    one runs; ends by the channel's interrupt, or is looked at when it is overdue
//   resetting  it took too long: the drives are reset, and then it is given again, with more patience
//   failed     the drives did not come back: every request ends with an I/O error
//
// A drive that is merely slow is waited for. An I/O error comes of an error that the drive reports again when asked again, of a
// drive that is gone, and of one that has not answered after several resets: half an hour.
#pragma once
#include "drivers/block/ata_identity.hpp"
#include "drivers/block/drive_slice.hpp"
#include "drivers/block/prd.hpp"

namespace kennel::service {

class AtaChannel {
public:
    // Below 4 GiB, for the bus master.
    struct alignas(page_size) Memory {
        PrdEntry table[PrdTable::entries];
        u8       zeroes[page_size];
        u8       bounce[PrdTable::boundary];
    };
    struct Ports { u16 command, control, bus_master; };

    struct Counters { u64 commands = 0, flushes = 0, retries = 0, errors = 0, bounced = 0, lost_interrupts = 0, resets = 0; };

    static constexpr u64 command_bytes = 256 * 1024;  // at most, by one command: bounds how long another slice waits for its turn
    static constexpr u32 attempts = 3;                // of a command that reports an error. A flush gets one: what it lost is lost
    static constexpr u64 patience_seconds = 30;       // before a silent drive is reset; then twice as long, and so on
    static constexpr u32 most_resets = 5;             // of one command: 30 s + 60 s + ... + 960 s

    void open(Ports const& ports, Memory& memory, u64 tsc_hz);

    // Before requests are served: what drive `unit` is, and sectors of it, waited for. Nothing: there is none, or it failed.
    std::optional<Result<AtaIdentity, IdentityError>> identify(u32 unit);
    bool read_now(u32 unit, SectorRange const& range, u8* data);

    // A slice has a request where it had none.
    void wake(DriveSlice& slice);
    // That was so since forget_wake(): deadline() may be another, and there may be news.
    bool was_woken() const { return was_woken_; }
    void forget_wake() { was_woken_ = false; }
    void interrupt();
    void timer(u64 now);                              // at, or some time after, deadline()
    u64  deadline() const { return state_ == State::idle || state_ == State::failed ? ~0ull : deadline_; }

    bool failed() const { return state_ == State::failed; }
    Counters const& counters() const { return counters_; }
    // A slice with completions nobody was told of; null: no more.
    DriveSlice* take_news() { return news_.pop_front(); }
    void has_news(DriveSlice& slice)
    {
        if (!slice.news.is_linked())
            news_.push_back(slice);
    }

private:
    enum class State : u8 { idle, command, resetting, failed };
    enum class Kind : u8 { read, write, zeroes, flush };
    enum class Outcome : u8 { not_yet, good, bad };

    struct Command {
        Kind kind;
        u32  unit;
        u64  first;
        u32  count;                                   // sectors
        bool bounced;
    };

    u8   status() const;                              // without acknowledging an interrupt
    bool select(u32 unit, u8 high_bits);
    bool wait_until_ready(u64 ticks) const;
    void serve_next();
    void prepare(DriveSlice& slice, BlockRequest const& request);
    bool describe_segments(DriveSlice& slice, BlockRequest const& request, u64 bytes);
    void issue();
    Outcome look();
    void ended(Outcome outcome);
    void finish(DriveSlice& slice, BlockStatus result);
    void begin_reset();
    void go_on_with_reset(u64 now);
    void fail();

    Ports    ports_{};
    Memory*  memory_ = nullptr;
    PrdTable table_{nullptr};
    u64      tsc_hz_ = 1;
    u32      selected_ = ~0u;
    u8       last_status_ = 0;

    State       state_ = State::idle;
    DriveSlice* serving_ = nullptr;                   // null while polled
    Command     command_{};
    SegmentCursor resume_;                            // where the request's segments go on behind this command
    u32         attempt_ = 0, resets_ = 0;            // of this command
    u64         patience_ = 0, deadline_ = 0, reset_limit_ = 0;
    Counters    counters_;
    bool        was_woken_ = false;

    friend class DriveSlice;
    List<DriveSlice, &DriveSlice::turn_> turns_;
    List<DriveSlice, &DriveSlice::news>  news_;
    struct Unit { bool lba48 = false, flush_ext = false; } units_[2];
};

} // namespace kennel::service
