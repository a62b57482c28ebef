// SPDX-License-Identifier: Apache-2.0
//
// What a block device model asks of a medium, and what it gets back: steps 5 and 6 of the request path. virtio-blk makes a
// BlockRequest of what a guest wants (here every number of the guest's is checked, once); a medium, anything that is a
// Backend, answers at once or later. medium.hpp has the closed list of media.
//
//   submit -> done      answered; the request may be forgotten
//          -> pending   the medium keeps the request (it stays where it is, with its segments) until take_completion names it
//          -> busy      not taken: so many are pending that the next has to wait; try again after take_completion gave one
//
// Completions come in any order. All of it happens on one vCPU of the service, the home of the guest's device.
#pragma once
#include "hv/lib/types.hpp"
#include <concepts>
#include <optional>
#include <span>

namespace kennel::service {

inline constexpr u64 sector_bytes = 512;              // virtio 1.2, "Block Device": always, whatever the medium's own blocks are

// Sectors that exist. Only a check against a capacity makes one, so nobody can hand on a range that was not looked at.
class SectorRange {
public:
    SectorRange() = default;                          // no sector at all

    static constexpr std::optional<SectorRange> within(u64 capacity, u64 first, u64 count)
    {
        if (count == 0 || first >= capacity || count > capacity - first)
            return std::nullopt;
        return SectorRange{first, count};
    }

    constexpr u64 first() const { return first_; }
    constexpr u64 count() const { return count_; }
    constexpr u64 end() const { return first_ + count_; }
    constexpr u64 bytes() const { return count_ * sector_bytes; }
    // What lies in both.
    constexpr SectorRange common(u64 from, u64 to) const
    {
        u64 const begin = from > first_ ? from : first_, stop = to < end() ? to : end();
        return begin < stop ? SectorRange{begin, stop - begin} : SectorRange{};
    }

private:
    constexpr SectorRange(u64 first, u64 count) : first_{first}, count_{count} {}
    u64 first_ = 0, count_ = 0;
};

// A piece of a guest's RAM that data goes to or comes from; GPA = HPA in a service, so its address is also the one for DMA.
struct Segment {
    u8* data;
    u32 size;                                         // bytes; need not be whole sectors
};

enum class BlockOperation : u8 { read, write, flush, discard, write_zeroes };
enum class BlockStatus : u8 { ok, io_error, unsupported };

// What a medium is and can do; does not change while guests run.
struct BlockProperties {
    u64  sectors = 0;
    u32  block_bytes = sector_bytes;                  // what it reads and writes in one piece: a power of two, from 512 up
    u32  depth = 1;                                   // so many requests can be pending
    bool read_only = false;
    bool write_back = false;                          // a completed write may be lost until a flush has completed
    bool discards = false, writes_zeroes = false;
};

inline constexpr u32 max_segments = 254;              // of a request: a queue of 256, less header and status

class BlockRequest {
public:
    BlockRequest() = default;

    // From the guest's own numbers. Nothing: sectors beyond the medium, no whole sectors, none, or too many segments.
    // The segments stay the caller's and must live as long as the request.
    static std::optional<BlockRequest> transfer(BlockProperties const& medium, BlockOperation read_or_write, u64 first_sector,
                                                std::span<Segment const> segments, u32 token)
    {
        u64 bytes = 0;
        for (Segment const& segment : segments)
            bytes += segment.size;
        if (bytes % sector_bytes != 0 || segments.size() > max_segments)
            return std::nullopt;
        auto const range = SectorRange::within(medium.sectors, first_sector, bytes / sector_bytes);
        if (!range)
            return std::nullopt;
        return BlockRequest{read_or_write, *range, segments, token};
    }

    // Discard and write zeroes: sectors without data.
    static std::optional<BlockRequest> clearing(BlockProperties const& medium, BlockOperation discard_or_zero, u64 first_sector, u64 count, u32 token)
    {
        auto const range = SectorRange::within(medium.sectors, first_sector, count);
        if (!range)
            return std::nullopt;
        return BlockRequest{discard_or_zero, *range, {}, token};
    }

    static BlockRequest flush(u32 token) { return {BlockOperation::flush, {}, {}, token}; }

    BlockOperation operation() const { return operation_; }
    SectorRange    range() const { return range_; }
    std::span<Segment const> segments() const { return segments_; }
    u32            token() const { return token_; }   // the submitter's own
    bool           changes_medium() const { return operation_ != BlockOperation::read && operation_ != BlockOperation::flush; }

private:
    BlockRequest(BlockOperation operation, SectorRange range, std::span<Segment const> segments, u32 token)
        : operation_{operation}, token_{token}, range_{range}, segments_{segments} {}

    BlockOperation operation_ = BlockOperation::flush;
    u32            token_ = 0;
    SectorRange    range_;
    std::span<Segment const> segments_;
};

struct Submission {
    enum class State : u8 { done, pending, busy };

    State       state;
    BlockStatus status = BlockStatus::ok;             // of a request that is done

    static constexpr Submission done(BlockStatus status) { return {State::done, status}; }
    static constexpr Submission pending() { return {State::pending}; }
    static constexpr Submission busy() { return {State::busy}; }
};

struct BlockCompletion {
    BlockRequest* request;
    BlockStatus   status;
    u32 token() const { return request->token(); }
};

// What was done, for whoever asks. A medium counts what reached it.
struct BlockCounters {
    u64 reads = 0, writes = 0, flushes = 0, others = 0;
    u64 sectors_read = 0, sectors_written = 0;
    u64 errors = 0;                                   // requests that ended with io_error

    void count(BlockRequest const& request, BlockStatus status)
    {
        switch (request.operation()) {
        case BlockOperation::read:  reads++;  sectors_read += request.range().count(); break;
        case BlockOperation::write: writes++; sectors_written += request.range().count(); break;
        case BlockOperation::flush: flushes++; break;
        case BlockOperation::discard:
        case BlockOperation::write_zeroes: others++; break;
        }
        errors += status == BlockStatus::io_error;
    }
};

template<class T>
concept Backend = requires(T medium, T const& seen, BlockRequest& request) {
    { seen.properties() } -> std::same_as<BlockProperties const&>;
    { seen.counters() } -> std::same_as<BlockCounters const&>;
    // The request was made for these properties.
    { medium.submit(request) } -> std::same_as<Submission>;
    // Whatever has been completed since; call it until it gives nothing, when the medium's event came.
    { medium.take_completion() } -> std::same_as<std::optional<BlockCompletion>>;
};

} // namespace kennel::service
