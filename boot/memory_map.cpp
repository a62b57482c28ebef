// SPDX-License-Identifier: Apache-2.0
//
// See memory_map.hpp. All of physical memory is one sorted list without gaps; each rule paints its kind over a part
// of it. What nobody painted is `nothing`, and becomes device registers below 4 GiB.
#include "boot/memory_map.hpp"
#include "hv/abi/pages.hpp"

namespace kennel::boot {

namespace {

using abi::MemoryKind;
using abi::MemoryRange;
using abi::MemoryType;

constexpr MemoryKind nothing = MemoryKind{0xfe};   // only while planning
constexpr MemoryKind unowned = MemoryKind{0xff};   // RAM that waits for an owner

constexpr u64 one_mib  = 1024 * 1024;
constexpr u64 four_gib = u64{1} << 32;
constexpr u64 top      = u64{1} << 52;             // the architecture's largest physical address

constexpr u32 max_extents = sizeof(abi::InfoPage::memory_base) / sizeof(u64);   // of one service

constexpr u64 down(u64 value, u64 to) { return value & ~(to - 1); }
constexpr u64 up(u64 value, u64 to) { return down(value + to - 1, to); }
constexpr u64 end(MemoryRange const& range) { return range.base + range.size; }

constexpr bool anything(MemoryRange const&) { return true; }
constexpr bool not_memory(MemoryRange const& range)
{
    return range.kind == nothing || range.kind == MemoryKind::device || range.kind == MemoryKind::reserved;
}

class Canvas {
public:
    void clear()
    {
        count_ = 1;
        full_ = false;
        ranges_[0] = {.base = 0, .size = top, .kind = nothing, .type = MemoryType::uncached, .owner = 0, .reserved = 0};
    }

    template <typename Where> void paint(Span span, MemoryKind kind, MemoryType type, u32 owner, Where allowed)
    {
        if (span.base >= top || span.size == 0)
            return;
        u64 const stop = span.size > top - span.base ? top : span.base + span.size;
        if (!split(span.base) || !split(stop))
            return;
        for (u32 i = 0; i < count_; i++) {
            MemoryRange& range = ranges_[i];
            if (range.base >= span.base && range.base < stop && allowed(range)) {
                range.kind = kind;
                range.type = type;
                range.owner = owner;
            }
        }
    }

    // Neighbours that differ in nothing become one.
    void merge()
    {
        u32 kept = 0;
        for (u32 i = 1; i < count_; i++) {
            MemoryRange& last = ranges_[kept];
            MemoryRange const& next = ranges_[i];
            if (last.kind == next.kind && last.type == next.type && last.owner == next.owner && end(last) == next.base)
                last.size += next.size;
            else
                ranges_[++kept] = next;
        }
        count_ = kept + 1;
    }

    template <typename Which> void remove(Which which)
    {
        u32 kept = 0;
        for (u32 i = 0; i < count_; i++)
            if (!which(ranges_[i]))
                ranges_[kept++] = ranges_[i];
        count_ = kept;
    }

    bool full() const { return full_; }
    u32  count() const { return count_; }
    MemoryRange&       operator[](u32 i) { return ranges_[i]; }
    MemoryRange const& operator[](u32 i) const { return ranges_[i]; }

private:
    bool split(u64 at)
    {
        for (u32 i = 0; i < count_; i++) {
            if (at <= ranges_[i].base || at >= end(ranges_[i]))
                continue;
            if (count_ == ranges_.size()) {
                full_ = true;
                return false;
            }
            for (u32 j = count_; j > i; j--)
                ranges_[j] = ranges_[j - 1];
            count_++;
            ranges_[i].size = at - ranges_[i].base;
            ranges_[i + 1].size -= ranges_[i].size;
            ranges_[i + 1].base = at;
            return true;
        }
        return true;
    }

    u32  count_ = 0;
    bool full_ = false;
    std::array<MemoryRange, 4096> ranges_{};
};

constinit Canvas canvas;   // too large for a stack; planning is never nested

bool is_usable(FirmwareRange const& entry) { return entry.use == FirmwareUse::ram && entry.type == MemoryType::write_back; }

void paint_entry(FirmwareRange const& entry)
{
    if (entry.base >= top || entry.size > top)
        return;
    u64 const stop = entry.base + entry.size;
    if (is_usable(entry)) {
        u64 const first = up(entry.base, page_size), last = down(stop, page_size);
        if (last > first)
            canvas.paint({first, last - first}, unowned, entry.type, 0, anything);
        return;
    }
    MemoryKind kind = MemoryKind::reserved;   // RAM that is not cached included
    MemoryType type = entry.type;
    if (entry.use == FirmwareUse::acpi)
        kind = MemoryKind::acpi;
    if (entry.use == FirmwareUse::device) {
        kind = MemoryKind::device;
        type = MemoryType::uncached;
    }
    u64 const first = down(entry.base, page_size);
    canvas.paint({first, up(stop, page_size) - first}, kind, type, 0, anything);
}

// Usable memory first: whatever else the firmware says of the same place then wins.
void paint_firmware(std::span<FirmwareRange const> map)
{
    for (FirmwareRange const& entry : map)
        if (is_usable(entry))
            paint_entry(entry);
    canvas.merge();
    for (FirmwareUse const use : {FirmwareUse::ram, FirmwareUse::acpi, FirmwareUse::device, FirmwareUse::reserved}) {
        for (FirmwareRange const& entry : map)
            if (entry.use == use && !is_usable(entry))
                paint_entry(entry);
        canvas.merge();
    }
}

// Extents are made of whole 2 MiB; the rest of each piece of RAM is nobody's.
void trim()
{
    for (u32 i = 0; i < canvas.count(); i++) {
        MemoryRange const range = canvas[i];
        if (range.kind != unowned)
            continue;
        u64 const first = up(range.base, large_page), last = down(end(range), large_page);
        if (first >= last) {
            canvas[i].kind = MemoryKind::reserved;
            continue;
        }
        canvas.paint({range.base, first - range.base}, MemoryKind::reserved, range.type, 0, anything);
        canvas.paint({last, end(range) - last}, MemoryKind::reserved, range.type, 0, anything);
    }
    canvas.merge();
}

// RAM for one service: what touches its block first, since that adds no extent; then the largest pieces.
u64 grant(u32 service, u64 wanted)
{
    while (wanted > 0) {
        u32 best = canvas.count();
        bool from_base = true, best_touches = false;
        for (u32 i = 0; i < canvas.count(); i++) {
            if (canvas[i].kind != unowned)
                continue;
            auto const mine = [&](u32 n) { return n < canvas.count() && canvas[n].kind == MemoryKind::service && canvas[n].owner == service; };
            bool const after = i > 0 && mine(i - 1) && end(canvas[i - 1]) == canvas[i].base;
            bool const before = mine(i + 1) && end(canvas[i]) == canvas[i + 1].base;
            bool const touches = after || before;
            if (best < canvas.count() && (best_touches || !touches) && (best_touches != touches || canvas[i].size <= canvas[best].size))
                continue;
            best = i;
            best_touches = touches;
            from_base = after;
        }
        if (best == canvas.count())
            break;
        MemoryRange const range = canvas[best];
        u64 const size = wanted < range.size ? wanted : range.size;
        u64 const base = from_base ? range.base : end(range) - size;
        canvas.paint({base, size}, MemoryKind::service, range.type, service, anything);
        canvas.merge();
        wanted -= size;
        if (canvas.full())
            break;
    }
    return wanted;
}

// A service's info page names a bounded number of extents: the smallest ones beyond that are given up.
u64 give_up_surplus(u32 service, Span block)
{
    u64 given_up = 0;
    for (;;) {
        u32 extents = 0, smallest = canvas.count();
        for (u32 i = 0; i < canvas.count(); i++) {
            MemoryRange const& range = canvas[i];
            if (range.kind != MemoryKind::service || range.owner != service)
                continue;
            extents++;
            bool const holds_block = block.base >= range.base && block.base < end(range);
            if (!holds_block && (smallest == canvas.count() || range.size < canvas[smallest].size))
                smallest = i;
        }
        if (extents <= max_extents || smallest == canvas.count())
            return given_up;
        given_up += canvas[smallest].size;
        canvas[smallest].kind = MemoryKind::reserved;
        canvas[smallest].owner = 0;
    }
}

void share_out(MemoryClaims const& claims, MemoryPlan& plan)
{
    constexpr u64 everything = top;
    auto const refuse = [&](MemoryFault fault, u32 service, u64 missing) {
        if (plan.fault == MemoryFault::none)
            plan = {.fault = fault, .service = service, .missing = missing};
    };
    for (bool const rest : {false, true}) {                 // who wants the rest comes last
        for (u32 s = 0; s < claims.services.size(); s++) {
            ServiceClaim const& claim = claims.services[s];
            if ((claim.memory == 0) != rest)
                continue;
            if (!rest && claim.memory < claim.block.size) {
                refuse(MemoryFault::less_than_block, s, claim.block.size - claim.memory);
                continue;
            }
            u64 const missing = grant(s, rest ? everything : claim.memory - claim.block.size);
            u64 const given_up = give_up_surplus(s, claim.block);
            if (!rest && missing > 0)
                refuse(MemoryFault::too_little_memory, s, missing);
            else if (!rest && given_up > 0)
                refuse(MemoryFault::too_scattered, s, given_up);
        }
    }
}

void write_out(MemoryPlan& plan)
{
    for (u32 i = 0; i < canvas.count(); i++) {
        MemoryRange& range = canvas[i];
        if (range.kind == unowned)
            range.kind = MemoryKind::reserved;
        if (range.kind == nothing && range.base < four_gib) {
            if (end(range) > four_gib)
                range.size = four_gib - range.base;
            range.kind = MemoryKind::device;
        }
    }
    canvas.remove([](MemoryRange const& range) { return range.kind == nothing; });
    canvas.merge();
    // Memory that is not listed is nobody's, just as memory listed as reserved: say less rather than nothing.
    if (canvas.count() > abi::max_ranges)
        canvas.remove([](MemoryRange const& range) { return range.kind == MemoryKind::reserved; });
    if (canvas.full() || canvas.count() > abi::max_ranges) {
        plan.fault = MemoryFault::too_many_ranges;
        return;
    }
    plan.count = canvas.count();
    for (u32 i = 0; i < canvas.count(); i++) {
        plan.ranges[i] = canvas[i];
        if (canvas[i].kind == MemoryKind::service)
            plan.granted[canvas[i].owner] += canvas[i].size;
    }
}

} // namespace

void plan_memory(std::span<FirmwareRange const> map, MemoryClaims const& claims, MemoryPlan& plan)
{
    plan = {};
    canvas.clear();
    paint_firmware(map);

    // Below 1 MiB there are trampolines and BIOS data, and no extent.
    canvas.paint({0, one_mib}, MemoryKind::reserved, MemoryType::write_back, 0,
                 [](MemoryRange const& range) { return range.kind == unowned; });
    canvas.paint({claims.trampoline, page_size}, MemoryKind::hypervisor, MemoryType::write_back, 0, anything);
    canvas.paint(claims.hypervisor, MemoryKind::hypervisor, MemoryType::write_back, 0, anything);
    for (u32 s = 0; s < claims.services.size(); s++)
        canvas.paint(claims.services[s].block, MemoryKind::service, MemoryType::write_back, s, anything);
    trim();
    share_out(claims, plan);

    for (Span const& window : claims.windows)
        canvas.paint(window, MemoryKind::device, MemoryType::uncached, 0, not_memory);
    canvas.paint({down(claims.screen.base, page_size), up(claims.screen.size, page_size)}, MemoryKind::device,
                 MemoryType::write_combining, 0, not_memory);
    for (u64 const page : claims.registers)
        canvas.paint({down(page, page_size), page != 0 ? page_size : 0}, MemoryKind::hypervisor, MemoryType::uncached, 0, not_memory);
    canvas.merge();

    if (plan.fault == MemoryFault::none)
        write_out(plan);
    MemoryTotals const totals = measure_memory(map);
    plan.lost = totals.ram;
    for (u64 const bytes : plan.granted)
        plan.lost -= bytes < plan.lost ? bytes : plan.lost;
    plan.lost -= claims.hypervisor.size < plan.lost ? claims.hypervisor.size : plan.lost;
}

MemoryTotals measure_memory(std::span<FirmwareRange const> map)
{
    MemoryTotals totals;
    for (FirmwareRange const& entry : map) {
        if (entry.use == FirmwareUse::device || entry.base >= top || entry.size > top - entry.base)
            continue;
        if (entry.use == FirmwareUse::ram && entry.type == MemoryType::write_back)
            totals.ram += entry.size;
        // Firmware also calls holes reserved: only what is cached as memory counts.
        if (entry.type == MemoryType::write_back && entry.base + entry.size > totals.end_of_ram)
            totals.end_of_ram = entry.base + entry.size;
    }
    return totals;
}

} // namespace kennel::boot
