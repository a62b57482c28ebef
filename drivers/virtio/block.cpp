// SPDX-License-Identifier: Apache-2.0
//
// See block.hpp.
#include "drivers/virtio/block.hpp"

namespace kennel::service {

namespace {

// "Feature bits".
namespace feature {
constexpr u64 size_max = 1ull << 1, seg_max = 1ull << 2, read_only = 1ull << 5, block_size = 1ull << 6, flush = 1ull << 9, topology = 1ull << 10;
constexpr u64 config_wce = 1ull << 11, discard = 1ull << 13, write_zeroes = 1ull << 14;
}

// "Device configuration layout": struct virtio_blk_config.
struct Configuration {
    u64 capacity;
    u32 size_max, seg_max;
    u16 cylinders;
    u8  heads, sectors;
    u32 block_size;
    u8  physical_block_exponent, alignment_offset;
    u16 least_io;
    u32 best_io;
    u8  writeback, unused0;
    u16 queue_count;
    u32 most_discard_sectors, most_discard_segments, discard_alignment;
    u32 most_zeroes_sectors, most_zeroes_segments;
    u8  zeroes_may_unmap, unused1[3];
};
static_assert(sizeof(Configuration) == 64 && offsetof(Configuration, writeback) == 32 && offsetof(Configuration, zeroes_may_unmap) == 56);

// "Device Operation": what discard and write zeroes carry.
struct Clearing { u64 sector; u32 count, flags; };
static_assert(sizeof(Clearing) == 16);

enum class Type : u32 { read = 0, write = 1, flush = 4, get_id = 8, discard = 11, write_zeroes = 13 };
constexpr u32 unmap_flag = 1;

constexpr u32 most_segment_bytes = VirtioBlock::most_bytes / max_segments & ~4095u;
constexpr u32 most_clearing_sectors = VirtioBlock::most_bytes / sector_bytes;

constexpr bool has_cache(BlockProperties const& medium) { return medium.write_back && !medium.read_only; }

u64 features_of(BlockProperties const& medium)
{
    return feature::size_max | feature::seg_max | feature::block_size | feature::topology | (medium.read_only ? feature::read_only : 0) |
           // Where a completed write stays anyway, there is no cache to speak of: neither to flush nor to switch over.
           (has_cache(medium) ? feature::flush | feature::config_wce : 0) |
           (medium.discards ? feature::discard : 0) | (medium.writes_zeroes ? feature::write_zeroes : 0);
}

} // namespace

VirtioBlock::VirtioBlock(Medium medium, std::string_view serial)
    : transport{{.type = wire::DeviceType::block, .class_code = 0x01'80'00, .features = features_of(medium.properties()), .queue_count = 1,
                 .queue_size = Queue::most, .writable_config = has_cache(medium.properties()) ? 1ull << offsetof(Configuration, writeback) : 0}},
      medium_{std::as_const(medium)}, properties_{medium.properties()}
{
    __builtin_memcpy(serial_.data(), serial.data(), std::min<usize>(serial.size(), serial_bytes));
}

void VirtioBlock::power_on()
{
    BlockProperties const& medium = properties_;
    u32 const blocks = medium.block_bytes / sector_bytes;
    Configuration const configuration{
        .capacity = medium.sectors, .size_max = most_segment_bytes, .seg_max = max_segments, .cylinders = 0, .heads = 0, .sectors = 0,
        .block_size = sector_bytes, .physical_block_exponent = static_cast<u8>(__builtin_ctz(blocks)), .alignment_offset = 0,
        .least_io = static_cast<u16>(blocks), .best_io = 0, .writeback = medium.write_back, .unused0 = 0, .queue_count = 1,
        .most_discard_sectors = most_clearing_sectors, .most_discard_segments = 1, .discard_alignment = blocks,
        .most_zeroes_sectors = most_clearing_sectors, .most_zeroes_segments = 1, .zeroes_may_unmap = 0, .unused1 = {}};
    __builtin_memcpy(transport.config, &configuration, sizeof configuration);
    waiting_ = nullptr;
    free_ = ~0u;
    left_over_ = false;
}

// "Driver Requirements: Device Initialization": without a flush to ask for, a driver trusts that a completed write stays; with
// CONFIG_WCE it says which it wants.
bool VirtioBlock::writes_back() const
{
    return transport.has(feature::flush) && (!transport.has(feature::config_wce) || (transport.config[offsetof(Configuration, writeback)] & 1));
}

void VirtioBlock::changed(Transport::Change change)
{
    switch (change) {
    case Transport::Change::reset:
        // What a medium holds it finishes first: no byte may move into the guest's RAM after the driver saw the reset.
        waiting_ = nullptr;
        left_over_ = false;
        if (!in_flight_) {
            power_on();                               // the next driver finds what the first did
            transport.finish_reset();
        }
        break;
    case Transport::Change::started:
        // "Device Requirements: Device Initialization": CONFIG_WCE without FLUSH.
        if (transport.has(feature::config_wce) && !transport.has(feature::flush))
            transport.config[offsetof(Configuration, writeback)] = 0;
        break;
    case Transport::Change::configuration:
    case Transport::Change::none:
        break;
    }
}

void VirtioBlock::completed()
{
    while (auto const completion = medium_.take_completion()) {
        has_changed_ |= --in_flight_ == 0;
        Slot& slot = slots_[completion->token()];
        let_go(slot);
        settle(slot, completion->status);
    }
    if (transport.is_resetting())
        changed(Transport::Change::reset);
    else
        serve();
}

void VirtioBlock::serve()
{
    Queue& queue = transport.queue(0);
    if (!transport.is_running() || transport.is_resetting())
        return;
    if (Slot* const slot = waiting_) {
        waiting_ = nullptr;
        let_go(*slot);
        submit(*slot);
    }
    moved_ = 0;
    left_over_ = false;
    do {
        for (bool more = true; more && may_begin(); more = queue.has_more()) {
            Slot& slot = slots_[__builtin_ctz(free_)];
            Queue::Taken const taken = queue.take(slot.chain);
            if (taken != Queue::Taken::chain) [[unlikely]] {
                if (taken == Queue::Taken::none)
                    break;
                counters_.malformed++;
                transport.break_down();
                return;
            }
            begin(slot);
        }
        if (queue.publish()) {
            counters_.interrupts++;
            transport.interrupt_queue(0);
        }
        // Where only a completion makes room for more, that will look.
    } while (may_begin() && queue.expect_kick());
    if (moved_ >= bytes_at_once) [[unlikely]]
        has_changed_ |= left_over_ = queue.expect_kick();
}

void VirtioBlock::begin(Slot& slot)
{
    counters_.requests++;
    moved_ += request_worth;
    u8 status = io_error;
    slot.written = 0;
    slot.flush_next = false;
    if (parse(slot, status))
        submit(slot);
    else
        finish(slot, status);
}

bool VirtioBlock::parse(Slot& slot, u8& status)
{
    // The status is the last byte that is ours to write, however the driver cut its buffers: "Message Framing".
    auto input = slot.chain.input(), output = slot.chain.output();
    if (slot.chain.outside || output.empty()) {
        slot.status = nullptr;
        counters_.malformed++;
        return false;
    }
    Segment& last = output.back();
    slot.status = last.data + --last.size;
    if (last.size == 0)
        output = output.first(output.size() - 1);
    if (!take_front(input, slot.header)) {
        counters_.malformed++;
        return false;
    }
    BlockProperties const& medium = properties_;
    std::optional<BlockRequest> request;
    switch (static_cast<Type>(slot.header.type)) {
    case Type::read:
        request = BlockRequest::transfer(medium, BlockOperation::read, slot.header.sector, output, number(slot));
        break;
    case Type::write:
        if (!medium.read_only)
            request = BlockRequest::transfer(medium, BlockOperation::write, slot.header.sector, input, number(slot));
        slot.flush_next = medium.write_back && !writes_back();
        break;
    case Type::flush:
        request = BlockRequest::flush(number(slot));
        break;
    case Type::get_id:
        slot.written = put_front(output, serial_);
        status = ok;
        return false;
    case Type::discard:
        status = parse_clearing(slot, BlockOperation::discard, input);
        return status == ok;
    case Type::write_zeroes:
        status = parse_clearing(slot, BlockOperation::write_zeroes, input);
        return status == ok;
    default:
        counters_.unsupported++;
        status = unsupported;
        return false;
    }
    if (!request || request->range().bytes() > most_bytes) {
        counters_.malformed++;
        return false;
    }
    slot.request = *request;
    if (request->operation() == BlockOperation::read)
        slot.written = static_cast<u32>(request->range().bytes());
    return true;
}

[[gnu::noinline]] u8 VirtioBlock::parse_clearing(Slot& slot, BlockOperation operation, std::span<Segment> input)
{
    BlockProperties const& medium = properties_;
    bool const is_discard = operation == BlockOperation::discard;
    Clearing clearing;
    if (medium.read_only || total_bytes(input) != sizeof clearing || !take_front(input, clearing)) {
        counters_.malformed++;
        return io_error;
    }
    // "Device Requirements: Device Operation": unknown flags, and unmap where it means nothing.
    if (!(is_discard ? medium.discards : medium.writes_zeroes) || (clearing.flags & ~unmap_flag) || (is_discard && clearing.flags)) {
        counters_.unsupported++;
        return unsupported;
    }
    auto const request = clearing.count <= most_clearing_sectors
        ? BlockRequest::clearing(medium, operation, clearing.sector, clearing.count, number(slot)) : std::nullopt;
    if (!request) {
        counters_.malformed++;
        return io_error;
    }
    slot.request = *request;
    slot.flush_next = medium.write_back && !writes_back();
    return ok;
}

void VirtioBlock::submit(Slot& slot)
{
    Submission const submission = medium_.submit(slot.request);
    switch (submission.state) {
    case Submission::State::done: [[likely]]
        moved_ += slot.request.range().bytes();
        settle(slot, submission.status);
        break;
    case Submission::State::pending:
        has_changed_ |= in_flight_++ == 0;
        hold(slot);
        break;
    case Submission::State::busy:
        waiting_ = &slot;
        hold(slot);
        break;
    }
}

void VirtioBlock::settle(Slot& slot, BlockStatus status)
{
    if (status == BlockStatus::ok && slot.flush_next && !transport.is_resetting()) {
        slot.flush_next = false;
        slot.request = BlockRequest::flush(number(slot));
        submit(slot);
        return;
    }
    counters_.failed += status == BlockStatus::io_error;
    if (status != BlockStatus::ok)
        slot.written = 0;
    finish(slot, status == BlockStatus::ok ? ok : status == BlockStatus::io_error ? io_error : unsupported);
}

void VirtioBlock::finish(Slot& slot, u8 status)
{
    // "Device Requirements: Used Ring": bytes written from the front on. Of a request that failed only the status is sure.
    if (transport.is_resetting())
        return;
    u32 written = 0;
    if (u8* const place = slot.status) [[likely]] {
        written = slot.written + 1;
        __atomic_store_n(place, status, __ATOMIC_RELAXED);
    }
    transport.queue(0).give_back(slot.chain.head, written);
}

} // namespace kennel::service
